/*
 * Images of sleeping stacks.
 *
 * A pattern has the words of one stack, and a class for each: words of one class differ from the
 * pattern's by one distance, whatever stack is compared with it. A stack that fits no pattern makes
 * a new one of the nearest, whose classes are split where its words differ by several distances. So
 * a pattern fits all that the one before did, and after a few of them all stacks of a kind.
 *
 * Invariant: a pattern does not change, and is freed only when no image refers to it. All of it
 * belongs to one scheduler's thread.
 */
#include "sched/image.h"

#include "base/alloc.h"

#define PATTERNS_MAX   64
#define BYTES_PER_WORD 8

/** Classes of words. */
enum {
    SAME,
    OF_STACK, /* They move with the stack: pointers into it. */
    OF_BLOCK, /* With the control block. */
    KEPT,     /* The first of those whose distances an image keeps. */
    CLASSES_MAX = 64,
};

struct pattern {
    size_t images;
    size_t count;   /* Of words. */
    size_t classes; /* Including the first three. */
    bool fresh;     /* Nothing was compared with it yet: all words are in SAME. */
    uintptr_t top;
    uintptr_t block;
    uint8_t *class_of; /* Of each word; they lie behind the words. */
    uint64_t words[];
};

struct green__patterns {
    unsigned count;
    struct pattern *patterns[PATTERNS_MAX];
};

#define PLAIN PATTERNS_MAX

struct green__image {
    uint8_t place;        /* Of its pattern; PLAIN: none. */
    unsigned char kept[]; /* The distance of each class from KEPT on. Of a plain one, how many words
                             there are, and those. */
};

static uintptr_t
top_of(const struct green_job *task)
{
    return (uintptr_t)(task->own + 1);
}

/** The distances of the first classes. */
static void
know_distances(const struct pattern *pattern, const struct green_job *task, uint64_t *ret_by)
{
    ret_by[SAME] = 0;
    ret_by[OF_STACK] = top_of(task) - pattern->top;
    ret_by[OF_BLOCK] = (uintptr_t)task - pattern->block;
}

/**
 * How many words do not fit.
 *
 * @param ret_by  Set to the distance of each class: that of its first word.
 */
static size_t
count_misfits(const struct pattern *pattern, const uint64_t *words, const struct green_job *task,
              uint64_t ret_by[CLASSES_MAX])
{
    size_t classes = KEPT; /* new ones come in their order */
    size_t misfits = 0;
    know_distances(pattern, task, ret_by);
    for (size_t i = 0; i < pattern->count; i++) {
        uint64_t by = words[i] - pattern->words[i];
        if (pattern->class_of[i] == classes) {
            ret_by[classes++] = by;
        }
        misfits += by != ret_by[pattern->class_of[i]];
    }
    return misfits;
}

/* ---- patterns ---- */

/** One of these words, without classes; NULL without memory. */
static struct pattern *
create(const uint64_t *words, size_t count, uintptr_t top, uintptr_t block)
{
    struct pattern *pattern =
        green__alloc_zeroed(sizeof *pattern + count * (sizeof *words + sizeof(uint8_t)));
    if (pattern != NULL) {
        pattern->count = count;
        pattern->classes = KEPT;
        pattern->fresh = true;
        pattern->top = top;
        pattern->block = block;
        pattern->class_of = (uint8_t *)&pattern->words[count];
        memcpy(pattern->words, words, count * sizeof *words);
    }
    return pattern;
}

/** The parts that the classes of a pattern fall into, in the order of their first words. */
struct split {
    size_t count;
    struct {
        unsigned of; /* Which class. */
        uint64_t by;
    } parts[CLASSES_MAX];
};

/** Which part a word of a class is in that differs by so much; CLASSES_MAX when there are too many.
 */
static unsigned
part_of(struct split *split, bool fresh, unsigned of, uint64_t by)
{
    for (unsigned part = 0; part < split->count; part++) {
        bool may_be_there = split->parts[part].of == of || (fresh && part < KEPT);
        if (may_be_there && split->parts[part].by == by) {
            return part;
        }
    }
    if (split->count == CLASSES_MAX) {
        return CLASSES_MAX;
    }
    split->parts[split->count].of = of;
    split->parts[split->count].by = by;
    return (unsigned)split->count++;
}

/** Make a pattern that fits what another one does, and this stack; NULL when there is no room. */
static struct pattern *
refine(const struct pattern *from, const uint64_t *words, const struct green_job *task)
{
    uint64_t by[KEPT];
    struct split split = {.count = KEPT};
    struct pattern *pattern = create(from->words, from->count, from->top, from->block);
    if (pattern == NULL) {
        return NULL;
    }
    know_distances(from, task, by);
    for (unsigned i = 0; i < KEPT; i++) {
        split.parts[i].of = i;
        split.parts[i].by = by[i];
    }
    for (size_t i = 0; i < from->count; i++) {
        unsigned part = part_of(&split, from->fresh, from->class_of[i], words[i] - from->words[i]);
        if (part == CLASSES_MAX) {
            green__free(pattern);
            return NULL;
        }
        pattern->class_of[i] = (uint8_t)part;
    }
    pattern->classes = split.count;
    pattern->fresh = false;
    return pattern;
}

/** A place for a new one: where the one that is there has no images; PATTERNS_MAX for none. */
static unsigned
find_room(const struct green__patterns *patterns)
{
    unsigned place = 0;
    while (place < patterns->count && patterns->patterns[place]->images > 0) {
        place++;
    }
    return place;
}

/** Put a pattern into its place, of which there is one; its place, or PLAIN without memory. */
static unsigned
add(struct green__patterns *patterns, unsigned place, struct pattern *pattern)
{
    if (pattern == NULL) {
        return PLAIN;
    }
    if (place == patterns->count) {
        patterns->count++;
    } else {
        green__free(patterns->patterns[place]);
    }
    patterns->patterns[place] = pattern;
    return place;
}

/** Where the pattern is that the words fit, the one with the fewest classes, and if need be a new
 * one; PLAIN when there is none. */
static unsigned
find_pattern(struct green__patterns *patterns, const uint64_t *words, size_t count,
             const struct green_job *task)
{
    uint64_t by[CLASSES_MAX];
    const struct pattern *best = NULL;
    const struct pattern *nearest = NULL;
    unsigned best_place = PLAIN;
    size_t least = count / 2;
    for (unsigned i = 0; i < patterns->count; i++) {
        const struct pattern *pattern = patterns->patterns[i];
        size_t misfits = pattern->count == count ? count_misfits(pattern, words, task, by) : count;
        if (misfits == 0 && (best == NULL || pattern->classes < best->classes)) {
            best = pattern;
            best_place = i;
        } else if (misfits < least) {
            nearest = pattern;
            least = misfits;
        }
    }
    unsigned room = find_room(patterns);
    if (best != NULL || room == PATTERNS_MAX) {
        return best_place;
    }
    return add(patterns, room,
               nearest != NULL ? refine(nearest, words, task)
                               : create(words, count, top_of(task), (uintptr_t)task));
}

void
green__patterns_free(struct green__patterns *patterns)
{
    for (size_t i = 0; patterns != NULL && i < patterns->count; i++) {
        green__free(patterns->patterns[i]);
    }
    green__free(patterns);
}

/* ---- images ---- */

/* Distances are mostly short: seven bits a byte, the lowest first, the sign below them (LEB128). */
#define BITS_PER_BYTE 7
#define MORE          (1u << BITS_PER_BYTE)
#define DISTANCE_MAX  10 /* bytes */

static unsigned char *
put_distance(unsigned char *to, uint64_t by)
{
    uint64_t left = by << 1 ^ (by >> 63 != 0 ? UINT64_MAX : 0);
    for (; left >= MORE; left >>= BITS_PER_BYTE) {
        *to++ = (unsigned char)(left | MORE);
    }
    *to++ = (unsigned char)left;
    return to;
}

static const unsigned char *
get_distance(const unsigned char *from, uint64_t *ret_by)
{
    uint64_t got = 0;
    unsigned shift = 0;
    for (; (*from & MORE) != 0; from++, shift += BITS_PER_BYTE) {
        got |= (uint64_t)(*from & (MORE - 1)) << shift;
    }
    got |= (uint64_t)*from << shift;
    *ret_by = got >> 1 ^ ((got & 1) != 0 ? UINT64_MAX : 0);
    return from + 1;
}

/** An image of a stack that fits no pattern. */
static struct green__image *
make_plain(const uint64_t *words, size_t count)
{
    struct green__image *image = green__alloc(sizeof *image + sizeof count + count * sizeof *words);
    if (image != NULL) {
        image->place = PLAIN;
        memcpy(image->kept, &count, sizeof count);
        memcpy(image->kept + sizeof count, words, count * sizeof *words);
    }
    return image;
}

static struct green__image *
make_of(struct pattern *pattern, unsigned place, const uint64_t *words,
        const struct green_job *task)
{
    uint64_t by[CLASSES_MAX] = {0};
    unsigned char kept[CLASSES_MAX * DISTANCE_MAX];
    unsigned char *end = kept;
    count_misfits(pattern, words, task, by);
    for (unsigned i = KEPT; i < pattern->classes; i++) {
        end = put_distance(end, by[i]);
    }
    size_t size = (size_t)(end - kept);
    struct green__image *image = green__alloc(sizeof *image + size);
    if (image != NULL) {
        image->place = (uint8_t)place;
        memcpy(image->kept, kept, size);
        pattern->images++;
    }
    return image;
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
    unsigned place = find_pattern(*patterns, words, count, task);
    return place == PLAIN ? make_plain(words, count)
                          : make_of((*patterns)->patterns[place], place, words, task);
}

/** Read the distances of all classes; returns where they end in the image. */
static const unsigned char *
distances(const struct green__image *image, const struct pattern *pattern,
          const struct green_job *task, uint64_t *ret_by)
{
    const unsigned char *from = image->kept;
    know_distances(pattern, task, ret_by);
    for (unsigned i = KEPT; i < pattern->classes; i++) {
        from = get_distance(from, &ret_by[i]);
    }
    return from;
}

static size_t
plain_count(const struct green__image *image)
{
    size_t count;
    memcpy(&count, image->kept, sizeof count);
    return count;
}

void
green__image_unmake(struct green__patterns *patterns, struct green__image *image,
                    struct green_job *task)
{
    uint64_t *end = (uint64_t *)(void *)(task->own + 1);
    uint64_t *words;
    if (image->place == PLAIN) {
        words = end - plain_count(image);
        memcpy(words, image->kept + sizeof(size_t), plain_count(image) * sizeof *words);
    } else {
        struct pattern *pattern = patterns->patterns[image->place];
        words = end - pattern->count;
        uint64_t by[CLASSES_MAX];
        distances(image, pattern, task, by);
        for (size_t i = 0; i < pattern->count; i++) {
            words[i] = pattern->words[i] + by[pattern->class_of[i]];
        }
        pattern->images--;
    }
    task->context.sp = words;
    green__free(image);
}

size_t
green__image_size(const struct green__patterns *patterns, const struct green__image *image,
                  const struct green_job *task)
{
    uint64_t by[CLASSES_MAX];
    if (image->place == PLAIN) {
        return sizeof *image + sizeof(size_t) + plain_count(image) * sizeof(uint64_t);
    }
    const struct pattern *pattern = patterns->patterns[image->place];
    return (size_t)(distances(image, pattern, task, by) - (const unsigned char *)image);
}
