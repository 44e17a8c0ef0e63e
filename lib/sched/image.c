/*
 * Images of sleeping stacks.
 *
 * Invariant: a pattern does not change, and is freed only when no image refers to it. All of it
 * belongs to one scheduler's thread.
 */
#include "sched/image.h"

#include "base/alloc.h"

#define PATTERNS_MAX   16
#define CODES_PER_WORD 32 /* two bits each in a word of 64 */
#define BITS_PER_CODE  2
#define BYTES_PER_WORD 8

enum code {
    SAME,
    OF_STACK, /* A pointer into the task's own stack: the same distance from its top. */
    OF_BLOCK, /* A pointer into its control block. */
    OTHER,    /* It is kept. */
};

struct pattern {
    size_t images;
    size_t count; /* Of words. */
    uintptr_t top;
    uintptr_t block;
    uint64_t words[];
};

struct green__patterns {
    size_t count;
    struct pattern *patterns[PATTERNS_MAX];
};

struct green__image {
    struct pattern *pattern; /* NULL: all words are kept, without codes. */
    uint32_t count;          /* Of words. */
    uint32_t kept;
    uint64_t data[]; /* Codes, then what is kept. */
};

static uintptr_t
top_of(const struct green_job *task)
{
    return (uintptr_t)task->stack.low + task->stack.size;
}

static size_t
code_words(size_t count)
{
    return (count + CODES_PER_WORD - 1) / CODES_PER_WORD;
}

static struct pattern *
make_pattern(const uint64_t *words, size_t count, const struct green_job *task)
{
    struct pattern *pattern = green__alloc(sizeof *pattern + count * sizeof *words);
    if (pattern != NULL) {
        pattern->images = 0;
        pattern->count = count;
        pattern->top = top_of(task);
        pattern->block = (uintptr_t)task;
        memcpy(pattern->words, words, count * sizeof *words);
    }
    return pattern;
}

/** How many of its words an image would have to keep. */
static size_t
differences(const struct pattern *pattern, const uint64_t *words, const struct green_job *task)
{
    uint64_t moved = top_of(task) - pattern->top;
    uint64_t block = (uintptr_t)task - pattern->block;
    size_t others = 0;
    for (size_t i = 0; i < pattern->count; i++) {
        uint64_t by = words[i] - pattern->words[i];
        others += by != 0 && by != moved && by != block;
    }
    return others;
}

/** The pattern that the words are most like, or a new one of theirs when none is like them. */
static struct pattern *
find_pattern(struct green__patterns *patterns, const uint64_t *words, size_t count,
             const struct green_job *task)
{
    struct pattern *best = NULL;
    struct pattern **unused = NULL;
    size_t best_others = count / 2;
    for (size_t i = 0; i < patterns->count; i++) {
        struct pattern *pattern = patterns->patterns[i];
        size_t others = pattern->count == count ? differences(pattern, words, task) : count;
        if (others < best_others) {
            best = pattern;
            best_others = others;
        }
        unused = pattern->images == 0 ? &patterns->patterns[i] : unused;
    }
    if (best != NULL || (patterns->count == PATTERNS_MAX && unused == NULL)) {
        return best;
    }
    struct pattern *pattern = make_pattern(words, count, task);
    if (pattern != NULL) {
        if (patterns->count < PATTERNS_MAX) {
            unused = &patterns->patterns[patterns->count++];
            *unused = NULL;
        }
        green__free(*unused);
        *unused = pattern;
    }
    return pattern;
}

static struct green__image *
allocate(struct pattern *pattern, size_t count, size_t kept)
{
    size_t codes = pattern == NULL ? 0 : code_words(count);
    struct green__image *image = green__alloc(sizeof *image + (codes + kept) * sizeof(uint64_t));
    if (image != NULL) {
        image->pattern = pattern;
        image->count = (uint32_t)count;
        image->kept = (uint32_t)kept;
    }
    return image;
}

static void
encode(struct green__image *image, const uint64_t *words, const struct green_job *task)
{
    const struct pattern *pattern = image->pattern;
    uint64_t moved = top_of(task) - pattern->top;
    uint64_t block = (uintptr_t)task - pattern->block;
    uint64_t *codes = image->data;
    uint64_t *keep = codes + code_words(image->count);
    memset(codes, 0, code_words(image->count) * sizeof *codes);
    for (size_t i = 0; i < image->count; i++) {
        uint64_t by = words[i] - pattern->words[i];
        uint64_t code = by == 0 ? SAME : by == moved ? OF_STACK : by == block ? OF_BLOCK : OTHER;
        codes[i / CODES_PER_WORD] |= code << (i % CODES_PER_WORD * BITS_PER_CODE);
        if (code == OTHER) {
            *keep++ = words[i];
        }
    }
}

struct green__image *
green__image_make(struct green__patterns **patterns, const struct green_job *task)
{
    const uint64_t *words = task->context.sp;
    size_t count = (top_of(task) - (uintptr_t)words) / BYTES_PER_WORD;
    if (*patterns == NULL) {
        *patterns = green__alloc_zeroed(sizeof **patterns);
        if (*patterns == NULL) {
            return NULL;
        }
    }
    struct pattern *pattern = find_pattern(*patterns, words, count, task);
    size_t kept = pattern == NULL ? count : differences(pattern, words, task);
    struct green__image *image = allocate(pattern, count, kept);
    if (image == NULL) {
        return NULL;
    }
    if (pattern == NULL) {
        memcpy(image->data, words, count * sizeof *words);
    } else {
        pattern->images++;
        encode(image, words, task);
    }
    return image;
}

void
green__image_unmake(struct green__image *image, const struct green_job *task)
{
    uint64_t *words = task->context.sp;
    struct pattern *pattern = image->pattern;
    if (pattern == NULL) {
        memcpy(words, image->data, image->count * sizeof *words);
    } else {
        const uint64_t by[] = {0, top_of(task) - pattern->top, (uintptr_t)task - pattern->block};
        const uint64_t *codes = image->data;
        const uint64_t *kept = codes + code_words(image->count);
        for (size_t i = 0; i < image->count; i++) {
            unsigned code = codes[i / CODES_PER_WORD] >> (i % CODES_PER_WORD * BITS_PER_CODE) & 3;
            words[i] = code == OTHER ? *kept++ : pattern->words[i] + by[code];
        }
        pattern->images--;
    }
    green__free(image);
}

size_t
green__image_size(const struct green__image *image)
{
    size_t codes = image->pattern == NULL ? 0 : code_words(image->count);
    return sizeof *image + (codes + image->kept) * sizeof(uint64_t);
}

void
green__patterns_free(struct green__patterns *patterns)
{
    for (size_t i = 0; patterns != NULL && i < patterns->count; i++) {
        green__free(patterns->patterns[i]);
    }
    green__free(patterns);
}
