/*
 * Where the results of a run go.
 *
 * Invariant: a file that cannot be written is found before the run, not after it. For the main
 * stack.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "hdrlog.h"
#include "html/html.h"
#include "report.h"

static bool
is_standard_output(const char *path)
{
    return strcmp(path, "-") == 0;
}

static int
complain(const char *path, int err)
{
    return echoc_fail("cannot write %s: %s", is_standard_output(path) ? "standard output" : path,
                      strerror(err));
}

static int
check(const char *path)
{
    if (path == NULL || is_standard_output(path)) {
        return ECHOC_OK;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        return complain(path, errno);
    }
    (void)close(fd);
    return ECHOC_OK;
}

static FILE *
open_file(const char *path)
{
    return is_standard_output(path) ? stdout : fopen(path, "we");
}

static int
close_file(FILE *file, const char *path)
{
    bool failed = ferror(file) != 0;
    if (file == stdout ? fflush(file) != 0 : fclose(file) != 0) {
        failed = true;
    }
    return failed ? complain(path, errno != 0 ? errno : EIO) : ECHOC_OK;
}

int
output_begin(struct output *output)
{
    const char *paths[] = {output->json, output->csv, output->html, output->hdr};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if (check(paths[i]) != ECHOC_OK) {
            return ECHOC_FAILED;
        }
    }
    return ECHOC_OK;
}

static FILE *
log_file(struct output *output, const struct echoc_result *result)
{
    if (output->hdr != NULL && output->hdr_file == NULL) {
        output->hdr_file = open_file(output->hdr);
        if (output->hdr_file != NULL) {
            echoc_hdrlog_begin(output->hdr_file, result->program, result->measured_unix_s);
        }
    }
    return output->hdr_file;
}

void
output_second(struct output *output, const struct echoc_result *result,
              const struct echoc_second *row, const struct echoc_histograms *histograms)
{
    FILE *file = log_file(output, result);
    if (file == NULL) {
        return; /* said at the end */
    }
    (void)echoc_hdrlog_put(file, "", row->at_s, row->length_s, &histograms->reply);
    (void)echoc_hdrlog_put(file, "uncorrected", row->at_s, row->length_s, &histograms->uncorrected);
    (void)echoc_hdrlog_put(file, "lag", row->at_s, row->length_s, &histograms->lag);
}

/* What belongs to no second: the making of connections, most of it before the first. */
static int
end_log(struct output *output, const struct echoc_result *result)
{
    const struct echoc_histograms *histograms = &result->histograms;
    FILE *file = log_file(output, result);
    if (file == NULL) {
        return complain(output->hdr, errno);
    }
    (void)echoc_hdrlog_put(file, "connect", 0, result->elapsed_s, &histograms->connect);
    (void)echoc_hdrlog_put(file, "first_byte", 0, result->elapsed_s, &histograms->first_byte);
    return close_file(file, output->hdr);
}

static int
write_csv(const struct output *output, const struct echoc_result *result)
{
    FILE *file = open_file(output->csv);
    if (file == NULL) {
        return complain(output->csv, errno);
    }
    (void)fprintf(file, "at_s,length_s,due,sent,answered,bytes_received,errors,connections,"
                        "p50_us,p99_us,max_us\n");
    for (size_t i = 0; i < result->series_length; i++) {
        const struct echoc_second *row = &result->series[i];
        (void)fprintf(file, "%.0f,%.3f,%llu,%llu,%llu,%llu,%llu,%llu,%.3f,%.3f,%.3f\n", row->at_s,
                      row->length_s, (unsigned long long)row->due, (unsigned long long)row->sent,
                      (unsigned long long)row->answered, (unsigned long long)row->bytes_received,
                      (unsigned long long)row->errors, (unsigned long long)row->connections,
                      row->p50_us, row->p99_us, row->max_us);
    }
    return close_file(file, output->csv);
}

int
output_end(struct output *output, const struct echoc_result *result)
{
    int status = ECHOC_OK;
    int err = output->json != NULL ? echoc_result_write(result, output->json) : 0;
    if (err != 0) {
        status = complain(output->json, -err);
    }
    if (output->hdr != NULL && end_log(output, result) != ECHOC_OK) {
        status = ECHOC_FAILED;
    }
    if (output->csv != NULL && write_csv(output, result) != ECHOC_OK) {
        status = ECHOC_FAILED;
    }
    err = output->html != NULL ? echoc_html_write_run(output->html, result) : 0;
    return err != 0 ? complain(output->html, -err) : status;
}
