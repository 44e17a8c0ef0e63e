/*
 * The forms that the values of a load's options have.
 *
 * Invariant: a text is taken as a whole or not at all. Never suspends.
 */
#include "load_values.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_BYTES (1024 * 1024)
#define ZIPF_MIN       16
#define ZIPF_MAX       16384
#define RATE_MAX       1e9
#define STEP_MAX_S     (30.0 * 86400)
#define ATTACKERS_MAX  10000000
#define WORD_MAX       256

/* A decimal number at the beginning; what strtod() takes beside that is not meant. */
static bool
read_number(const char *text, double *ret_value, const char **ret_rest)
{
    if (!isdigit((unsigned char)text[0]) && text[0] != '.') {
        return false;
    }
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        return false;
    }
    char *end;
    errno = 0;
    *ret_value = strtod(text, &end);
    *ret_rest = end;
    return end != text && errno == 0 && isfinite(*ret_value);
}

static bool
read_scaled(const char *text, double base, double min, double max, double *ret_value)
{
    static const char letters[] = "kmg";
    double value;
    const char *rest;
    if (!read_number(text, &value, &rest)) {
        return false;
    }
    if (rest[0] != '\0') {
        const char *letter = strchr(letters, tolower((unsigned char)rest[0]));
        if (letter == NULL || rest[1] != '\0') {
            return false;
        }
        value *= pow(base, (double)(letter - letters + 1));
    }
    if (value < min || value > max) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool
echoc_value_number(const char *text, double min, double max, double *ret_value)
{
    return read_scaled(text, 1000, min, max, ret_value);
}

static bool
read_whole(const char *text, double base, uint64_t min, uint64_t max, uint64_t *ret_value)
{
    double value;
    if (!read_scaled(text, base, (double)min, (double)max, &value) || value != floor(value)) {
        return false;
    }
    *ret_value = (uint64_t)value;
    return true;
}

bool
echoc_value_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
    return read_whole(text, 1000, min, max, ret_value);
}

bool
echoc_value_time(const char *text, double min, double max, double *ret_seconds)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"", 1}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
    double value;
    const char *rest;
    if (!read_number(text, &value, &rest)) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(units[i].name, rest) == 0) {
            value *= units[i].seconds;
            if (value < min || value > max) {
                return false;
            }
            *ret_seconds = value;
            return true;
        }
    }
    return false;
}

/* The word up to a character or the end; returns what follows that, NULL when it was the end. */
static const char *
take_word(const char *text, char end, char *word)
{
    const char *at = strchr(text, end);
    size_t length = at == NULL ? strlen(text) : (size_t)(at - text);
    if (length >= WORD_MAX) {
        /* No value is that long: what is left of it is none either. */
        length = WORD_MAX - 1;
    }
    memcpy(word, text, length);
    word[length] = '\0';
    return at == NULL ? NULL : at + 1;
}

const char *
echoc_value_sizes(const char *text, struct echoc_sizes *ret_sizes)
{
    static const char problem[] = "a size is a number of bytes from 1 to 1m, such as 64, two of "
                                  "them as 16:16384, or zipf";
    struct echoc_sizes sizes = {ECHOC_SIZE_FIXED, ZIPF_MIN, ZIPF_MAX};
    if (strncmp(text, "zipf", 4) == 0 && (text[4] == '\0' || text[4] == ':')) {
        sizes.kind = ECHOC_SIZE_ZIPF;
        text += text[4] == ':' ? 5 : 4;
        if (text[0] == '\0' && text[-1] != ':') {
            *ret_sizes = sizes;
            return NULL;
        }
    }
    char word[WORD_MAX];
    const char *rest = take_word(text, ':', word);
    if (!read_whole(word, 1024, 1, SIZE_MAX_BYTES, &sizes.min)) {
        return problem;
    }
    sizes.max = sizes.min;
    if (rest != NULL) {
        if (!read_whole(rest, 1024, sizes.min, SIZE_MAX_BYTES, &sizes.max)) {
            return "a range of sizes is MIN:MAX, from 1 to 1m, the smaller first";
        }
        sizes.kind = sizes.kind == ECHOC_SIZE_ZIPF ? ECHOC_SIZE_ZIPF : ECHOC_SIZE_RANGE;
    } else if (sizes.kind == ECHOC_SIZE_ZIPF) {
        return "zipf has two sizes or none: zipf:16:16384";
    }
    *ret_sizes = sizes;
    return NULL;
}

const char *
echoc_value_write_sizes(const struct echoc_sizes *sizes, char *buffer, size_t size)
{
    if (sizes->kind == ECHOC_SIZE_FIXED) {
        (void)snprintf(buffer, size, "%llu", (unsigned long long)sizes->min);
    } else {
        (void)snprintf(buffer, size, "%s%llu:%llu", sizes->kind == ECHOC_SIZE_ZIPF ? "zipf:" : "",
                       (unsigned long long)sizes->min, (unsigned long long)sizes->max);
    }
    return buffer;
}

static bool
read_step(const char *text, struct echoc_step *step)
{
    char rates[WORD_MAX];
    char word[WORD_MAX];
    const char *duration = take_word(text, '/', rates);
    const char *to = take_word(rates, ':', word);
    step->duration_s = 0;
    if (!echoc_value_number(word, to == NULL ? 1e-3 : 0, RATE_MAX, &step->from_per_s)) {
        return false;
    }
    step->to_per_s = step->from_per_s;
    if (to != NULL && (duration == NULL || !echoc_value_number(to, 0, RATE_MAX, &step->to_per_s) ||
                       step->from_per_s + step->to_per_s <= 0)) {
        return false;
    }
    return duration == NULL || echoc_value_time(duration, 1e-3, STEP_MAX_S, &step->duration_s);
}

const char *
echoc_value_rate(const char *text, struct echoc_step *steps, size_t *ret_count)
{
    static const char problem[] = "a rate is messages a second, such as 5000, a ramp as "
                                  "1000:50000/30s, or steps as 1000/10s,2000/10s,5000";
    size_t count = 0;
    for (const char *rest = text; rest != NULL; count++) {
        char word[WORD_MAX];
        if (count == ECHOC_STEPS_MAX) {
            return "a rate has at most 32 steps";
        }
        /* A step without a time lasts to the end, so that no other one can follow. */
        if (count > 0 && steps[count - 1].duration_s == 0) {
            return problem;
        }
        rest = take_word(rest, ',', word);
        if (!read_step(word, &steps[count])) {
            return problem;
        }
    }
    *ret_count = count;
    return NULL;
}

const char *
echoc_value_write_rate(const struct echoc_step *steps, size_t count, char *buffer, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < count && length < size; i++) {
        const struct echoc_step *step = &steps[i];
        length += (size_t)snprintf(buffer + length, size - length, "%s%.9g", i > 0 ? "," : "",
                                   step->from_per_s);
        if (length < size && step->to_per_s != step->from_per_s) {
            length += (size_t)snprintf(buffer + length, size - length, ":%.9g", step->to_per_s);
        }
        if (length < size && step->duration_s > 0) {
            length += (size_t)snprintf(buffer + length, size - length, "/%.9gs", step->duration_s);
        }
    }
    return buffer;
}

static const char *const attack_names[ECHOC_ATTACK_KINDS] = {
    [ECHOC_ATTACK_IDLE] = "idle",
    [ECHOC_ATTACK_SLOW_WRITE] = "slow-write",
    [ECHOC_ATTACK_SLOW_READ] = "slow-read",
    [ECHOC_ATTACK_RESET] = "reset",
    [ECHOC_ATTACK_HALF_CLOSE] = "half-close",
    [ECHOC_ATTACK_CHURN] = "churn",
};

const char *
echoc_attack_name(enum echoc_attack_kind kind)
{
    return attack_names[kind];
}

static bool
find_attack(const char *name, enum echoc_attack_kind *ret_kind)
{
    if (strcmp(name, "slowloris") == 0) {
        *ret_kind = ECHOC_ATTACK_SLOW_WRITE;
        return true;
    }
    for (int kind = 0; kind < ECHOC_ATTACK_KINDS; kind++) {
        if (strcmp(name, attack_names[kind]) == 0) {
            *ret_kind = (enum echoc_attack_kind)kind;
            return true;
        }
    }
    return false;
}

const char *
echoc_value_attacks(const char *text, struct echoc_attack *attacks, size_t *ret_count)
{
    static const char problem[] = "an attack is KIND=N: idle, slow-write (slowloris), slow-read, "
                                  "reset, half-close or churn, and how many";
    size_t count = 0;
    for (const char *rest = text; rest != NULL; count++) {
        char word[WORD_MAX];
        char name[WORD_MAX];
        if (count == ECHOC_ATTACKS_MAX) {
            return "there may be eight attacks in all";
        }
        rest = take_word(rest, ',', word);
        const char *number = take_word(word, '=', name);
        if (number == NULL || !find_attack(name, &attacks[count].kind) ||
            !echoc_value_count(number, 1, ATTACKERS_MAX, &attacks[count].count)) {
            return problem;
        }
    }
    *ret_count = count;
    return NULL;
}

const char *
echoc_value_write_attacks(const struct echoc_attack *attacks, size_t count, char *buffer,
                          size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < count && length < size; i++) {
        length +=
            (size_t)snprintf(buffer + length, size - length, "%s%s=%llu", i > 0 ? "," : "",
                             attack_names[attacks[i].kind], (unsigned long long)attacks[i].count);
    }
    return buffer;
}
