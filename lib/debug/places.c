/*
 * What was told already. Invariant: a name is taken in when it is told, and stays; when there is no
 * room nothing is told any more, so a program that does wrong everywhere is not drowned in it.
 */
#include "debug/places.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "debug/symbol.h"

#define TOLD_A_SECOND 5

static uint64_t
hash_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *name != '\0'; name++) {
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    }
    return hash;
}

bool
green__places_new(struct green__places *places, const char *name)
{
    uint64_t hash = hash_name(name);
    uint64_t second = green__clock_real() / GREEN__NS_PER_S;
    green__lock(&places->lock);
    bool told = places->count == GREEN__PLACES_MAX;
    for (unsigned i = 0; i < places->count && !told; i++) {
        told = places->seen[i] == hash;
    }
    if (second != places->second) {
        places->second = second;
        places->told = 0;
    }
    if (!told && places->told == TOLD_A_SECOND) {
        told = true;
    } else if (!told) {
        places->told++;
        places->seen[places->count++] = hash;
    }
    green__unlock(&places->lock);
    return !told;
}

/** Whether a symbol is the system's or this library's, or of no known function. */
static bool
of_the_system(const char *symbol)
{
    static const char *const files[] = {"(libc.",    "(ld-linux", "(libpthread", "(linux-vdso",
                                        "(libasan.", "(libtsan.", "(libubsan."};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (strstr(symbol, files[i]) != NULL) {
            return true;
        }
    }
    return strncmp(symbol, "0x", 2) == 0 || strncmp(symbol, "green_", 6) == 0;
}

void
green__places_name(const struct green__walk *walk, char *name, size_t size)
{
    char symbol[GREEN__SYMBOL_SIZE];
    for (unsigned i = 0; i < walk->depth; i++) {
        bool returned = i > 0 || !walk->interrupted;
        green__symbol_write((const void *)walk->places[i], // NOLINT(performance-no-int-to-ptr)
                            returned, symbol, sizeof symbol);
        if (!of_the_system(symbol)) {
            symbol[strcspn(symbol, "+")] = '\0';
            snprintf(name, size, "%s", symbol);
            return;
        }
    }
    snprintf(name, size, "?");
}
