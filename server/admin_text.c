/*
 * Texts that grow. One that could not is marked, and its owner answers 503.
 */
#include "admin_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool
make_room(struct admin_text *text, size_t more)
{
    if (text->length + more < text->capacity) {
        return true;
    }
    size_t capacity = (text->length + more) * 2 + 1024;
    char *bytes = realloc(text->bytes, capacity);
    if (bytes == NULL) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void
admin_text_add(struct admin_text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !make_room(text, (size_t)length + 1)) {
        return;
    }
    va_start(args, format);
    vsnprintf(text->bytes + text->length, text->capacity - text->length, format, args);
    va_end(args);
    text->length += (size_t)length;
}

void
admin_text_describe(struct admin_text *text, const char *prefix, const char *name, const char *type,
                    const char *help)
{
    admin_text_add(text, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, name, help, prefix, name,
                   type);
}

void
admin_text_free(struct admin_text *text)
{
    free(text->bytes);
    *text = (struct admin_text){NULL, 0, 0, false};
}
