/*
 * What is read does not depend on how the stream was cut, whatever the bytes are.
 *
 * A message is read twice, at once and cut as its first bytes say: both times the same head, the
 * same body and the same rest must come out, or the same failure. With libFuzzer this is the
 * target (-fsanitize=fuzzer -DFUZZ_TARGET); alone it mutates its own seeds, so many times as the
 * first argument says, from the seed that is the second.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/body.h"
#include "http/head.h"

#define SIZE_MAX_HERE 2048

/** What came out of a message. */
struct outcome {
    int result;
    int status;
    int body_err;
    bool done;
    size_t length; /**< Of what came out of the body. */
    size_t rest;   /**< What was not used. */
    char start[300];
    char body[SIZE_MAX_HERE];
};

/** The next piece of the message, its size at most what the cuts say. */
static void
refill(struct green__http_stream *stream, const char *bytes, size_t size, size_t *at,
       unsigned *cuts)
{
    size_t piece = *cuts == 0 ? sizeof stream->data : 1 + *cuts % 13;
    *cuts = *cuts == 0 ? 0 : (*cuts * 1103515245u + 12345u) | 1;
    piece = piece < size - *at ? piece : size - *at;
    memcpy(stream->data, bytes + *at, piece);
    stream->start = 0;
    stream->end = piece;
    *at += piece;
}

static void
describe(struct outcome *outcome, const struct green__http_head *head, bool response)
{
    snprintf(outcome->start, sizeof outcome->start, "%s %s %s %s %d %d %d %llu %zu %s",
             response ? head->reason : head->method, response ? "" : head->path,
             head->query != NULL ? head->query : "-", head->host != NULL ? head->host : "-",
             head->minor, head->code, (int)head->framing, (unsigned long long)head->length,
             head->headers.count,
             head->headers.count > 0 ? head->headers.items[head->headers.count - 1].value : "");
}

static void
read_message(const char *bytes, size_t size, unsigned cuts, bool response, struct outcome *outcome)
{
    static const struct green__http_limits limits = {200, 600, 10};
    static struct green__http_stream stream;
    struct green__http_head head = {0};
    struct green__http_body body;
    size_t at = 0;
    memset(outcome, 0, sizeof *outcome);
    green__http_stream_init(&stream, -1);
    while ((outcome->result = green__http_head_feed(&head, &stream, &limits)) == 0 && at < size) {
        refill(&stream, bytes, size, &at, &cuts);
    }
    if (outcome->result == 1) {
        outcome->result = response ? green__http_head_parse_response(&head, false)
                                   : green__http_head_parse_request(&head);
        outcome->result = outcome->result == 0 ? 1 : outcome->result;
    }
    outcome->status = head.status;
    if (outcome->result == 1) {
        describe(outcome, &head, response);
        green__http_body_init(&body, &head, 1000, 50);
        while (body.framing == GREEN__HTTP_CHUNKED && !body.done && body.err == 0) {
            size_t put = 0;
            size_t held = green__http_stream_held(&stream);
            ssize_t taken = green__http_body_unchunk(
                &body, stream.data + stream.start, held, outcome->body + outcome->length,
                cuts == 0 ? SIZE_MAX_HERE : 1 + cuts % 5, &put);
            if (taken >= 0) {
                stream.start += (size_t)taken;
                outcome->length += put;
            }
            if (green__http_stream_held(&stream) == 0) {
                if (at == size) {
                    break;
                }
                refill(&stream, bytes, size, &at, &cuts);
            }
        }
        outcome->done = body.done;
        outcome->body_err = body.err;
        outcome->rest = body.err == 0 ? size - at + green__http_stream_held(&stream) : 0;
    }
    if (outcome->body_err != 0) {
        /* What came before the failure may be with the caller already, or not. */
        outcome->length = 0;
        memset(outcome->body, 0, sizeof outcome->body);
    }
    green__http_head_fini(&head);
}

static bool
is_same(const struct outcome *a, const struct outcome *b)
{
    return a->result == b->result && a->status == b->status && a->body_err == b->body_err &&
           a->done == b->done && a->length == b->length && a->rest == b->rest &&
           strcmp(a->start, b->start) == 0 && memcmp(a->body, b->body, sizeof a->body) == 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static struct outcome whole;
    static struct outcome cut;
    if (size < 3 || size > SIZE_MAX_HERE) {
        return 0;
    }
    bool response = (data[0] & 1) != 0;
    unsigned cuts = (unsigned)(data[1] << 8 | data[2]) | 1;
    read_message((const char *)data + 3, size - 3, 0, response, &whole);
    read_message((const char *)data + 3, size - 3, cuts, response, &cut);
    if (!is_same(&whole, &cut)) {
        fprintf(stderr, "at once: %d %d %d %zu [%s]\ncut:     %d %d %d %zu [%s]\n%.*s\n",
                whole.result, whole.status, whole.body_err, whole.rest, whole.start, cut.result,
                cut.status, cut.body_err, cut.rest, cut.start, (int)size - 3, data + 3);
        abort();
    }
    return 0;
}

#ifndef FUZZ_TARGET
static const char *const seeds[] = {
    "GET /a?b=c HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n",
    "POST http://h:1/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5;e\r\nhello\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nT: u\r\n\r\nrest",
    "PUT * HTTP/1.0\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: "
    "close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "HTTP/1.0 301 \r\nLocation: /x\r\nContent-Length: 0\r\n\r\nrest",
    "\r\nOPTIONS * HTTP/1.1\r\nHost:\r\n\r\n",
};
static const char *const words[] = {
    "\r\n",
    "\r",
    "\n",
    " ",
    "\t",
    ":",
    ";",
    "0\r\n\r\n",
    "Content-Length: 1\r\n",
    "HTTP/1.1",
    "chunked",
    "Transfer-Encoding: chunked\r\n",
    "ffffffffffffffff",
    "\x7f",
    "\xff",
    "//",
    "?",
    "#",
};

static size_t
mutate(unsigned char *data, size_t size)
{
    size_t at = (size_t)rand() % size;
    const char *word = words[(size_t)rand() % (sizeof words / sizeof words[0])];
    size_t length = strlen(word);
    switch (rand() % 4) {
    case 0:
        data[at] = (unsigned char)rand();
        return size;
    case 1:
        memmove(data + at, data + at + 1, size - at - 1);
        return size - 1;
    case 2:
        memmove(data + at + length, data + at, size - at);
        memcpy(data + at, word, length);
        return size + length;
    default:
        memcpy(data + at, word, length < size - at ? length : size - at);
        return size;
    }
}

int
main(int argc, char **argv)
{
    const char *stress = getenv("GREEN_STRESS");
    bool is_small = stress != NULL && strcmp(stress, "small") == 0;
    long rounds = argc > 1 ? atol(argv[1]) : is_small ? 20000 : 300000;
    unsigned char data[SIZE_MAX_HERE];
    srand(argc > 2 ? (unsigned)atol(argv[2]) : 1);
    for (long round = 0; round < rounds; round++) {
        int pick = rand() % (int)(sizeof seeds / sizeof seeds[0]);
        size_t size = strlen(seeds[pick]) + 3;
        memcpy(data + 3, seeds[pick], size - 3);
        data[0] = strncmp(seeds[pick], "HTTP", 4) == 0;
        data[1] = (unsigned char)rand();
        data[2] = (unsigned char)rand();
        for (int changes = rand() % 5; changes > 0; changes--) {
            size = 3 + mutate(data + 3, size - 3);
        }
        LLVMFuzzerTestOneInput(data, size);
    }
    printf("%ld messages\n", rounds);
    return 0;
}
#endif
