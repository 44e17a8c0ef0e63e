/*
 * What the figures of a comparison mean, in words: which server for which need.
 *
 * Every sentence is drawn from the figures, and is left out when they do not carry it. Two are
 * called level when they differ by less than LEVEL, or when their rounds overlap: with few rounds
 * on a machine that does other things too, no more can be said.
 *
 * Invariant: a sentence ends with a full stop, and a space before the next.
 */
#include "comparison.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/** Differences below this share say nothing. */
#define LEVEL 0.05

enum figure { RATE, TAIL, CPU, MEMORY, FIGURES };

struct words {
    FILE *out;
    const struct echoc_comparison *comparison;
    size_t point;
    struct echoc_summary summaries[ECHOC_CONTENDERS_MAX];
    /** Who has each figure, the best first. */
    size_t order[FIGURES][ECHOC_CONTENDERS_MAX];
    size_t known[FIGURES];
};

static double
value_of(const struct words *words, enum figure figure, size_t contender)
{
    const struct echoc_summary *summary = &words->summaries[contender];
    switch (figure) {
    case RATE:
        return summary->rate;
    case TAIL:
        return summary->p99_us;
    case CPU:
        return summary->cpu_us;
    default:
        return summary->connection_bytes;
    }
}

static const char *
text_of(const struct words *words, enum figure figure, size_t contender, char text[TEXT_FIGURE])
{
    static text_format *const formats[FIGURES] = {text_count, text_us, text_us, text_bytes};
    (void)formats[figure](text, value_of(words, figure, contender));
    return text;
}

static const char *
name_of(const struct words *words, size_t contender)
{
    return words->comparison->contenders[contender].name;
}

/** How many times as good the first is as the second: 1 or more when the first is better. */
static double
advantage(const struct words *words, enum figure figure, size_t first, size_t second)
{
    double a = value_of(words, figure, first);
    double b = value_of(words, figure, second);
    return figure == RATE ? a / b : b / a;
}

/** Whether the figures of two do not tell them apart. */
static bool
level(const struct words *words, enum figure figure, size_t first, size_t second)
{
    const struct echoc_summary *a = &words->summaries[first];
    const struct echoc_summary *b = &words->summaries[second];
    if (figure == RATE && a->rounds > 1 && b->rounds > 1 && a->rate_low <= b->rate_high &&
        b->rate_low <= a->rate_high) {
        return true;
    }
    return fabs(advantage(words, figure, first, second) - 1) < LEVEL;
}

/** Sort those who have a figure, which is positive, by it; ties keep the order given. */
static void
rank(struct words *words, enum figure figure)
{
    size_t *order = words->order[figure];
    size_t count = 0;
    for (size_t i = 0; i < words->comparison->contender_count; i++) {
        double value = value_of(words, figure, i);
        if (!isfinite(value) || value <= 0) {
            continue;
        }
        size_t at = count++;
        for (; at > 0 && advantage(words, figure, order[at - 1], i) < 1; at--) {
            order[at] = order[at - 1];
        }
        order[at] = i;
    }
    words->known[figure] = count;
}

/** How many from the best on are level with the best. */
static size_t
leaders(const struct words *words, enum figure figure)
{
    const size_t *order = words->order[figure];
    size_t count = 1;
    while (count < words->known[figure] && level(words, figure, order[0], order[count])) {
        count++;
    }
    return count;
}

/** "green, thread and prefork". */
static void
list(const struct words *words, const size_t *who, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(words->out, "%s%s",
                      i == 0           ? ""
                      : i + 1 == count ? " and "
                                       : ", ",
                      name_of(words, who[i]));
    }
}

/* ---- sentences ---- */

/** What the first of an order reach: "about 281k", or "172k to 281k" when that says too little. */
static void
say_reach(const struct words *words, size_t ahead)
{
    const size_t *order = words->order[RATE];
    char best[TEXT_FIGURE];
    char last[TEXT_FIGURE];
    bool bounded = words->summaries[order[0]].at_least;
    text_of(words, RATE, order[0], best);
    text_of(words, RATE, order[ahead - 1], last);
    if (advantage(words, RATE, order[0], order[ahead - 1]) - 1 < LEVEL) {
        (void)fprintf(words->out, "%s%s messages a second",
                      bounded     ? "at least "
                      : ahead > 1 ? "about "
                                  : "",
                      best);
    } else {
        (void)fprintf(words->out, "%s to %s%s messages a second", last, bounded ? "at least " : "",
                      best);
    }
}

/** What part of the best one's rate another reaches, from ratios within rounds, as in the table. */
static double
share_of_best(const struct words *words, size_t contender)
{
    return words->summaries[contender].ratio / words->summaries[words->order[RATE][0]].ratio;
}

static void
say_rate(const struct words *words)
{
    const size_t *order = words->order[RATE];
    size_t known = words->known[RATE];
    if (known == 0) {
        return;
    }
    size_t ahead = leaders(words, RATE);
    list(words, order, ahead);
    if (known == 1) {
        (void)fputs(" answers ", words->out);
    } else if (ahead == known) {
        (void)fputs(" are level, as far as the rounds tell: ", words->out);
    } else {
        (void)fputs(ahead > 1 ? " answer the most: " : " answers the most: ", words->out);
    }
    say_reach(words, ahead);
    for (size_t i = ahead; i < known; i++) {
        char share[TEXT_FIGURE];
        double part = share_of_best(words, order[i]);
        (void)snprintf(share, sizeof share, "%.2f", part);
        if (part < 0.005) {
            (void)snprintf(share, sizeof share, "next to nothing");
        }
        (void)fprintf(words->out, "%s%s %s%s%s", i == ahead ? "; " : ", ", name_of(words, order[i]),
                      i == ahead ? "reaches " : "", share, i == ahead ? " of that" : "");
    }
    (void)fputs(". ", words->out);
}

static void
say_tail(const struct words *words)
{
    const size_t *order = words->order[TAIL];
    size_t known = words->known[TAIL];
    char best[TEXT_FIGURE];
    char worst[TEXT_FIGURE];
    if (known < 2) {
        return;
    }
    text_of(words, TAIL, order[0], best);
    text_of(words, TAIL, order[known - 1], worst);
    size_t ahead = leaders(words, TAIL);
    if (ahead == known) {
        (void)fprintf(words->out, "Their tails are alike: 99 of 100 replies within about %s. ",
                      worst);
        return;
    }
    (void)fputs("The tail is shortest with ", words->out);
    list(words, order, ahead);
    (void)fprintf(words->out, ": 99 of 100 replies within %s, against %s with %s. ", best, worst,
                  name_of(words, order[known - 1]));
}

static void
say_cpu(const struct words *words)
{
    const size_t *order = words->order[CPU];
    size_t known = words->known[CPU];
    char best[TEXT_FIGURE];
    if (known < 2) {
        return;
    }
    size_t ahead = leaders(words, CPU);
    text_of(words, CPU, order[0], best);
    if (ahead == known) {
        (void)fprintf(words->out, "A message costs all of them about %s of processor time. ", best);
        return;
    }
    (void)fputs("A message costs ", words->out);
    list(words, order, ahead);
    char times[TEXT_FIGURE];
    text_count(times, advantage(words, CPU, order[0], order[known - 1]));
    (void)fprintf(words->out, " %s of processor time, and %s %s times as much. ", best,
                  name_of(words, order[known - 1]), times);
}

static void
say_memory(const struct words *words)
{
    const size_t *order = words->order[MEMORY];
    size_t known = words->known[MEMORY];
    char best[TEXT_FIGURE];
    char worst[TEXT_FIGURE];
    if (known < 2 || leaders(words, MEMORY) == known) {
        return;
    }
    (void)fprintf(words->out, "A connection takes %s with %s and %s with %s. ",
                  text_of(words, MEMORY, order[0], best), name_of(words, order[0]),
                  text_of(words, MEMORY, order[known - 1], worst),
                  name_of(words, order[known - 1]));
}

/** What --delay and --burn are there to show. */
static void
say_work(const struct words *words)
{
    const struct echoc_comparison *comparison = words->comparison;
    const size_t *order = words->order[RATE];
    size_t known = words->known[RATE];
    if (known < 2) {
        return;
    }
    if (comparison->burn_ms > 0) {
        double busy = (double)comparison->burn_ms / 1000;
        size_t last = order[known - 1];
        (void)fprintf(words->out,
                      "Computing for %llu ms each, those messages keep %.1f processors busy with "
                      "%s and %.1f with %s: ",
                      (unsigned long long)comparison->burn_ms,
                      value_of(words, RATE, order[0]) * busy, name_of(words, order[0]),
                      value_of(words, RATE, last) * busy, name_of(words, last));
        (void)fputs(level(words, RATE, order[0], last)
                        ? "no more processors were to be had. "
                        : "work that computes wants as many processes or threads as there are "
                          "processors. ",
                    words->out);
    }
    if (comparison->delay_ms > 0) {
        size_t ahead = leaders(words, RATE);
        const size_t *memory = words->order[MEMORY];
        (void)fprintf(words->out, "Waiting for %llu ms each, those messages need no processor: ",
                      (unsigned long long)comparison->delay_ms);
        if (ahead < known) {
            (void)fputs("who holds more connections at once answers more. ", words->out);
        } else if (words->known[MEMORY] > 1) {
            (void)fprintf(words->out, "what tells them apart is memory, of which %s takes least. ",
                          name_of(words, memory[0]));
        } else {
            (void)fputs("the number of connections decides alone. ", words->out);
        }
    }
}

/** Whether workers had to take turns on one processor: what sets them apart then is chance. */
static bool
is_cramped(const struct words *words, size_t contender)
{
    return words->comparison->server_processors == 1 &&
           strchr(name_of(words, contender), '*') != NULL;
}

/** Who is alone at the top of a figure, or the number of contenders. */
static size_t
winner(const struct words *words, enum figure figure)
{
    if (words->known[figure] < 2 || leaders(words, figure) > 1) {
        return words->comparison->contender_count;
    }
    return words->order[figure][0];
}

static void
say_advice(const struct words *words)
{
    static const char *const needs[FIGURES] = {"throughput", "short tails",
                                               "the least processor time", "many connections"};
    size_t contenders = words->comparison->contender_count;
    bool begun = false;
    for (size_t i = 0; i < contenders; i++) {
        const char *won[FIGURES];
        size_t count = 0;
        for (size_t figure = 0; figure < FIGURES; figure++) {
            if (winner(words, (enum figure)figure) == i) {
                won[count++] = needs[figure];
            }
        }
        if (count == 0 || is_cramped(words, i)) {
            continue;
        }
        (void)fprintf(words->out, "%s%s for %s", begun ? "; " : "So take ", name_of(words, i),
                      won[0]);
        for (size_t j = 1; j < count; j++) {
            (void)fprintf(words->out, "%s%s", j + 1 == count ? " and " : ", ", won[j]);
        }
        begun = true;
    }
    (void)fputs(begun ? ". " : "", words->out);
}

static void
say_caveats(const struct words *words)
{
    const struct echoc_comparison *comparison = words->comparison;
    for (size_t i = 0; i < comparison->contender_count; i++) {
        const struct echoc_summary *summary = &words->summaries[i];
        if (summary->rounds == 0) {
            (void)fprintf(words->out, "Of %s there is no round that counts. ", name_of(words, i));
        }
        if (summary->errors > 0) {
            (void)fprintf(words->out, "%s had %llu error%s. ", name_of(words, i),
                          (unsigned long long)summary->errors, summary->errors == 1 ? "" : "s");
        }
        if (is_cramped(words, i) && summary->rounds > 0) {
            (void)fprintf(words->out,
                          "The server had one processor, so the workers of %s took turns on it. ",
                          name_of(words, i));
        }
    }
}

char *
echoc_comparison_words(const struct echoc_comparison *comparison)
{
    char *text = NULL;
    size_t length = 0;
    struct words words = {.comparison = comparison, .point = echoc_comparison_focus(comparison)};
    words.out = open_memstream(&text, &length);
    if (words.out == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < comparison->contender_count; i++) {
        words.summaries[i] = echoc_comparison_summarize(comparison, i, words.point);
    }
    for (size_t figure = 0; figure < FIGURES; figure++) {
        rank(&words, (enum figure)figure);
    }
    if (comparison->point_count > 1) {
        (void)fprintf(words.out, "With %llu connections: ",
                      (unsigned long long)comparison->points[words.point]);
    }
    say_rate(&words);
    say_tail(&words);
    say_cpu(&words);
    say_memory(&words);
    say_work(&words);
    say_advice(&words);
    say_caveats(&words);
    if (fclose(words.out) != 0) {
        free(text);
        return NULL;
    }
    if (length > 0 && text[length - 1] == ' ') {
        text[length - 1] = '\0';
    }
    return text;
}
