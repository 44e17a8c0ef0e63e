/*
 * Histogram logs as HdrHistogram's tools write and read them, version 1.3.
 *
 * Times in a log are seconds since its start, or, in logs of others, since 1970. The largest value
 * of an interval is given in milliseconds, histograms are in nanoseconds.
 *
 * Invariant: a row that was read holds a histogram that can be decoded. Never suspends.
 */
#include "hdrlog.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Who writes times since 1970 is later than this; who writes them since the start is not. */
#define YEAR_S (365.0 * 86400)

void
echoc_hdrlog_begin(FILE *file, const char *program, double start_unix_s)
{
    char when[64] = "";
    struct tm parts;
    time_t seconds = (time_t)start_unix_s;
    if (gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(when, sizeof when, "%a %b %d %H:%M:%S UTC %Y", &parts);
    }
    (void)fprintf(file,
                  "#[Logged with %s]\n"
                  "#[Histogram log format version 1.3]\n"
                  "#[StartTime: %.3f (seconds since epoch), %s]\n"
                  "#[BaseTime: %.3f (seconds since epoch)]\n"
                  "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
                  "\"Interval_Compressed_Histogram\"\n",
                  program, start_unix_s, when, start_unix_s);
}

int
echoc_hdrlog_put(FILE *file, const char *tag, double start_s, double length_s,
                 const struct echoc_histogram *histogram)
{
    if (histogram->count == 0) {
        return 0;
    }
    char *text = echoc_histogram_encode(histogram);
    if (text == NULL) {
        return -ENOMEM;
    }
    (void)fprintf(file, "%s%s%s%.3f,%.3f,%.3f,%s\n", tag[0] != '\0' ? "Tag=" : "", tag,
                  tag[0] != '\0' ? "," : "", start_s, length_s, (double)histogram->max / 1e6, text);
    free(text);
    return 0;
}

struct reading {
    double start_s;
    double base_s;
    bool based;
    struct echoc_hdrlog_row *rows;
    size_t count;
    struct echoc_histogram *scratch;
};

static void
read_comment(struct reading *reading, const char *line)
{
    double seconds;
    if (sscanf(line, "#[StartTime: %lf", &seconds) == 1) {
        reading->start_s = seconds;
    } else if (sscanf(line, "#[BaseTime: %lf", &seconds) == 1) {
        reading->base_s = seconds;
        reading->based = true;
    }
}

/* Take a row apart in place. Returns whether it has the form. */
static bool
read_row(struct reading *reading, char *line, struct echoc_hdrlog_row *row)
{
    int used = 0;
    row->tag[0] = '\0';
    if (strncmp(line, "Tag=", 4) == 0) {
        char *comma = strchr(line, ',');
        if (comma == NULL || (size_t)(comma - line - 4) >= sizeof row->tag) {
            return false;
        }
        memcpy(row->tag, line + 4, (size_t)(comma - line - 4));
        row->tag[comma - line - 4] = '\0';
        line = comma + 1;
    }
    double start_s;
    double largest;
    if (sscanf(line, "%lf,%lf,%lf,%n", &start_s, &row->length_s, &largest, &used) != 3 ||
        used == 0) {
        return false;
    }
    line[strcspn(line, "\r\n")] = '\0';
    if (!reading->based) {
        reading->base_s = start_s < reading->start_s - YEAR_S ? reading->start_s : 0;
        reading->based = true;
    }
    row->start_unix_s = reading->base_s + start_s;
    row->text = line + used;
    return echoc_histogram_decode(row->text, reading->scratch) == 0;
}

static int
keep(struct reading *reading, const struct echoc_hdrlog_row *row)
{
    struct echoc_hdrlog_row *rows =
        realloc(reading->rows, (reading->count + 1) * sizeof reading->rows[0]);
    if (rows == NULL) {
        return -ENOMEM;
    }
    reading->rows = rows;
    rows[reading->count] = *row;
    rows[reading->count].text = strdup(row->text);
    if (rows[reading->count].text == NULL) {
        return -ENOMEM;
    }
    reading->count++;
    return 0;
}

static int
read_lines(struct reading *reading, FILE *file, char *problem, size_t size)
{
    char *line = NULL;
    size_t room = 0;
    int err = 0;
    for (unsigned number = 1; err == 0 && getline(&line, &room, file) > 0; number++) {
        struct echoc_hdrlog_row row;
        if (line[0] == '#') {
            read_comment(reading, line);
        } else if (line[0] == '"' || line[0] == '\n') {
            continue;
        } else if (!read_row(reading, line, &row)) {
            (void)snprintf(problem, size, "line %u is no interval of a histogram log", number);
            err = -EBADMSG;
        } else {
            err = keep(reading, &row);
        }
    }
    if (err == 0 && ferror(file)) {
        err = -EIO;
    }
    free(line);
    return err;
}

int
echoc_hdrlog_read(const char *path, struct echoc_hdrlog_row **rows, size_t *count, char *problem,
                  size_t size)
{
    struct reading reading = {.rows = *rows, .count = *count};
    size_t before = *count;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        int err = -errno;
        (void)snprintf(problem, size, "%s", strerror(-err));
        return err;
    }
    problem[0] = '\0';
    reading.scratch = malloc(sizeof *reading.scratch);
    int err = reading.scratch == NULL ? -ENOMEM : read_lines(&reading, file, problem, size);
    if (err == 0 && reading.count == before) {
        (void)snprintf(problem, size, "it has no interval of a histogram log");
        err = -EBADMSG;
    }
    if (err != 0 && problem[0] == '\0') {
        (void)snprintf(problem, size, "%s", strerror(-err));
    }
    free(reading.scratch);
    (void)fclose(file);
    *rows = reading.rows;
    *count = reading.count;
    return err;
}

void
echoc_hdrlog_free(struct echoc_hdrlog_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(rows[i].text);
    }
    free(rows);
}
