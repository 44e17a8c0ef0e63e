/*
 * What both kinds of chart are drawn with.
 *
 * Invariant: whatever comes from outside is escaped. Numbers have one decimal: a tenth of a pixel.
 */
#include "chart_svg.h"

void
chart_escape(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            (void)fputs("&lt;", out);
            break;
        case '>':
            (void)fputs("&gt;", out);
            break;
        case '&':
            (void)fputs("&amp;", out);
            break;
        case '"':
            (void)fputs("&quot;", out);
            break;
        default:
            /* Control characters are no part of a document. */
            (void)fputc((unsigned char)*text < ' ' && *text != '\n' ? ' ' : *text, out);
        }
    }
}

void
chart_svg_begin(FILE *out, const char *id, const char *title, const char *description,
                enum chart_size size, double width, double height)
{
    const char *name = size == CHART_WIDE ? "wide" : "narrow";
    (void)fprintf(out,
                  "<svg class=\"chart %s\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
                  "aria-labelledby=\"%s-%s-t %s-%s-d\">\n<title id=\"%s-%s-t\">",
                  name, width, height, id, name, id, name, id, name);
    chart_escape(out, title);
    (void)fprintf(out, "</title>\n<desc id=\"%s-%s-d\">", id, name);
    chart_escape(out, description);
    (void)fputs("</desc>\n", out);
}

void
chart_svg_end(FILE *out)
{
    (void)fputs("</svg>\n", out);
}

void
chart_svg_text(FILE *out, double x, double y, const char *anchor, const char *class_name,
               const char *text)
{
    (void)fprintf(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class_name,
                  x, y, anchor);
    chart_escape(out, text);
    (void)fputs("</text>\n", out);
}

void
chart_svg_mark(FILE *out, double x, double y, unsigned colour)
{
    static const char *const shapes[] = {
        "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", /* circle */
        "m-3.6-3.6h7.2v7.2h-7.2z",            /* square */
        "m0-5l4.8 8.4h-9.6z",                 /* triangle */
        "m0-5.2l5.2 5.2l-5.2 5.2l-5.2-5.2z",  /* diamond */
        "m0 5l4.8-8.4h-9.6z",                 /* triangle on its head */
        "m-5-2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",  /* cross */
    };
    (void)fprintf(out, "<path class=\"mark\" d=\"M%.1f %.1f%s\"/>", x, y,
                  shapes[colour % (sizeof shapes / sizeof *shapes)]);
}
