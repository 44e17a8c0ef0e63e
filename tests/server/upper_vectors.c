/*
 * What the converter by vectors makes of texts, for a comparison of two processors: their vectors
 * of 16 bytes have to give the same.
 *
 *     upper_vectors fill FILE       write the tables, which takes libunistring
 *     upper_vectors run NAME FILE   with those tables: a line for each text, of what came out
 *
 * Built without libunistring (-DTABLES_FROM_FILE) it can only run.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "upper_table.h"
#include "upper_vector.h"

#define ROUNDS 20000
#define LENGTH 400

#ifdef TABLES_FROM_FILE
unsigned char upper_cased[UPPER_BLOCKS];
struct upper_form upper_forms[UPPER_CASED_MAX][UPPER_BLOCK];
unsigned char upper_runs[128];
unsigned char upper_exceptions[2][128];
unsigned char upper_odd_leads[16];

int
upper_table_fill(void)
{
    return -1;
}
#endif

static const struct {
    void *data;
    size_t size;
} tables[] = {
    {upper_cased, sizeof upper_cased},         {upper_forms, sizeof upper_forms},
    {upper_runs, sizeof upper_runs},           {upper_exceptions, sizeof upper_exceptions},
    {upper_odd_leads, sizeof upper_odd_leads},
};

static int
write_tables(const char *path)
{
    FILE *file = fopen(path, "wb");
    int err = file == NULL ? 1 : upper_table_fill();
    for (size_t i = 0; err == 0 && i < sizeof tables / sizeof *tables; i++)
        err = fwrite(tables[i].data, 1, tables[i].size, file) != tables[i].size;
    return file == NULL || fclose(file) != 0 || err != 0;
}

static int
read_tables(const char *path)
{
    FILE *file = fopen(path, "rb");
    int err = file == NULL;
    for (size_t i = 0; err == 0 && i < sizeof tables / sizeof *tables; i++)
        err = fread(tables[i].data, 1, tables[i].size, file) != tables[i].size;
    if (file != NULL)
        fclose(file);
    return err;
}

static uint64_t state;

static unsigned
below(unsigned limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % limit;
}

/* Any byte now and then, else a code point of a range that the round is about. */
static size_t
write_text(unsigned char *text)
{
    static const unsigned ranges[][2] = {{0x20, 0x7e},       {0x80, 0x7ff},      {0x370, 0x3ff},
                                         {0x400, 0x52f},     {0x800, 0xffff},    {0x1e00, 0x1fff},
                                         {0x2c00, 0x2d2f},   {0xa640, 0xa7ff},   {0x10400, 0x104ff},
                                         {0x1e900, 0x1e9ff}, {0x10000, 0x10ffff}};
    const unsigned *often = ranges[below(sizeof ranges / sizeof *ranges)];
    size_t length = 0;
    while (length < LENGTH) {
        const unsigned *range =
            below(3) > 0 ? often : ranges[below(sizeof ranges / sizeof *ranges)];
        unsigned code = range[0] + below(range[1] - range[0] + 1);
        if (below(40) == 0) {
            text[length++] = (unsigned char)below(256);
        } else if (code < 0x80) {
            text[length++] = (unsigned char)code;
        } else if (code < 0x800) {
            text[length++] = (unsigned char)(0xc0 | code >> 6);
            text[length++] = (unsigned char)(0x80 | (code & 0x3f));
        } else {
            unsigned lead = code < 0x10000 ? 0xe0 | code >> 12 : 0xf0 | code >> 18;
            text[length++] = (unsigned char)lead;
            if (code >= 0x10000)
                text[length++] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
            text[length++] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
            text[length++] = (unsigned char)(0x80 | (code & 0x3f));
        }
    }
    return length;
}

static int
run_all(const char *name, const char *path)
{
    upper_vector_run *run = upper_vector_named(name);
    if (run == NULL || read_tables(path) != 0) {
        fprintf(stderr, "upper_vectors: no %s here, or no tables in %s\n", name, path);
        return 1;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned char text[LENGTH + 4];
        uint64_t digest = 14695981039346656037u; /* FNV-1a */
        state = round;
        size_t length = write_text(text);
        /* Where a run ends, the next begins behind the byte that it left. */
        for (size_t at = 0, done; at < length; at += done + 1) {
            done = run(text + at, text + at, length - at);
            for (size_t i = 0; i < done; i++)
                digest = (digest ^ text[at + i]) * 1099511628211u;
            digest = (digest ^ done) * 1099511628211u;
        }
        printf("%u %016llx\n", round, (unsigned long long)digest);
    }
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "fill") == 0)
        return write_tables(argv[2]);
    if (argc == 4 && strcmp(argv[1], "run") == 0)
        return run_all(argv[2], argv[3]);
    fprintf(stderr, "usage: upper_vectors fill FILE | run NAME FILE\n");
    return 2;
}
