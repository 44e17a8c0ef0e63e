/*
 * What a head means: start line, framing of the body, connection.
 *
 * Framing is decided here and strictly, since two ways to read it are how requests are smuggled:
 * Content-Length beside Transfer-Encoding, either of them twice, a length that is not digits alone,
 * or a coding other than "chunked" are refused. (RFC 9112, sections 3.2 and 6.) One worker at a
 * time.
 */
#include <errno.h>
#include <string.h>

#include "http/head.h"

/** Digits alone, without overflow. */
static bool
parse_length(const char *digits, uint64_t *ret_length)
{
    uint64_t length = 0;
    if (*digits == '\0') {
        return false;
    }
    for (; *digits != '\0'; digits++) {
        unsigned digit = (unsigned)(*digits - '0');
        if (digit > 9 || length > (UINT64_MAX - 1 - digit) / 10) {
            return false;
        }
        length = length * 10 + digit;
    }
    *ret_length = length;
    return true;
}

/** Whether the last coding of a Transfer-Encoding is chunked. */
static bool
ends_chunked(const char *codings)
{
    const char *comma = strrchr(codings, ',');
    return comma != NULL && green__http_same(comma + 1 + strspn(comma + 1, " \t"), "chunked");
}

/** Find how the body's end is told, as far as the headers say. */
static int
find_framing(struct green__http_head *head)
{
    const char *length = green_http_header(&head->headers, "Content-Length");
    const char *coding = green_http_header(&head->headers, "Transfer-Encoding");
    if (green__http_count(&head->headers, "Content-Length") > 1 ||
        green__http_count(&head->headers, "Transfer-Encoding") > 1) {
        return green__http_head_fail(head, 400, "more than one length");
    }
    if (length != NULL && coding != NULL) {
        return green__http_head_fail(head, 400, "both a length and a transfer coding");
    }
    if (length != NULL) {
        head->framing = GREEN__HTTP_LENGTH;
        if (!parse_length(length, &head->length)) {
            return green__http_head_fail(head, 400, "a bad length");
        }
        return 0;
    }
    if (coding == NULL) {
        return 0;
    }
    if (head->minor == 0) {
        return green__http_head_fail(head, 400, "a transfer coding in HTTP/1.0");
    }
    if (!green__http_same(coding, "chunked")) {
        return green__http_head_fail(head, ends_chunked(coding) ? 501 : 400,
                                     "an unknown transfer coding");
    }
    head->framing = GREEN__HTTP_CHUNKED;
    return 0;
}

static void
find_keep_alive(struct green__http_head *head)
{
    bool closes = green__http_lists(&head->headers, "Connection", "close");
    bool keeps = head->minor > 0 || green__http_lists(&head->headers, "Connection", "keep-alive");
    head->keep_alive = keeps && !closes;
}

/** "HTTP/1.x" and nothing else up to the line's end: 0 or a failure. */
static int
check_version(struct green__http_head *head, const char *version, const char *end)
{
    if (end - version != 8 || memcmp(version, "HTTP/", 5) != 0 || version[5] < '0' ||
        version[5] > '9' || version[6] != '.' || version[7] < '0' || version[7] > '9') {
        return green__http_head_fail(head, 400, "a malformed version");
    }
    if (version[5] != '1') {
        return green__http_head_fail(head, 505, "a version other than HTTP/1");
    }
    head->minor = version[7] == '0' ? 0 : 1;
    return 0;
}

/** Look at the start line before the parser does: its errors do not tell these cases apart. */
static int
check_request_line(struct green__http_head *head)
{
    const char *line = head->text.data;
    const char *end = strchr(line, '\r');
    const char *target = memchr(line, ' ', (size_t)(end - line));
    if (target == NULL || !green__http_is_token(line, (size_t)(target - line))) {
        return green__http_head_fail(head, 400, "a malformed method");
    }
    target++;
    const char *version = memchr(target, ' ', (size_t)(end - target));
    if (version == NULL || version == target) {
        return green__http_head_fail(head, 400, "a malformed request line");
    }
    for (const char *c = target; c < version; c++) {
        if (*c <= ' ' || *c > '~' || *c == '#') {
            return green__http_head_fail(head, 400, "a bad character in the target");
        }
    }
    return check_version(head, version + 1, end);
}

/** Whether a Host header can be one. */
static bool
is_host(const char *host)
{
    return strcspn(host, " \t/\\?#@,<>\"") == strlen(host);
}

/**
 * Split the target into host, path and query, in a copy behind the text, for which there is room.
 */
static int
split_target(struct green__http_head *head)
{
    char *copy = head->text.data + head->text.length;
    memcpy(copy, head->target, strlen(head->target) + 1);
    char *query = strchr(copy, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    head->query = query;
    head->path = copy;
    if (*copy == '/' || (strcmp(copy, "*") == 0 && strcmp(head->method, "OPTIONS") == 0)) {
        return 0;
    }
    char *authority = strstr(copy, "://");
    if (authority == NULL || authority == copy) {
        return green__http_head_fail(head, 400, "a malformed target");
    }
    /* Room for one more byte was made: the path's slash stays, the host is moved before it. */
    authority += 3;
    size_t length = strcspn(authority, "/");
    memmove(authority - 1, authority, length);
    authority[length - 1] = '\0';
    head->host = authority - 1;
    head->path = authority[length] == '/' ? authority + length : "/";
    if (length == 0 || !is_host(head->host)) {
        return green__http_head_fail(head, 400, "a malformed host");
    }
    return 0;
}

/** RFC 9112, section 3.2: exactly one Host, but HTTP/1.0 may do without. */
static int
check_host(struct green__http_head *head)
{
    size_t count = green__http_count(&head->headers, "Host");
    const char *host = green_http_header(&head->headers, "Host");
    if (count > 1 || (count == 0 && head->minor > 0)) {
        return green__http_head_fail(head, 400, "not exactly one host");
    }
    if (host != NULL && !is_host(host)) {
        return green__http_head_fail(head, 400, "a malformed host");
    }
    if (head->host == NULL) {
        head->host = host;
    }
    return 0;
}

int
green__http_head_parse_request(struct green__http_head *head)
{
    int err = check_request_line(head);
    if (err != 0) {
        return err;
    }
    size_t line = strcspn(head->text.data, "\r");
    if (green__http_text_reserve(&head->text, line + 2) != 0) {
        return green__http_head_fail(head, 0, "no memory for the head");
    }
    err = green__http_head_split(head, false);
    if (err != 0) {
        return err;
    }
    char *space = strchr(head->text.data, ' ');
    *space = '\0';
    head->method = head->text.data;
    head->target = space + 1;
    space = strchr(space + 1, ' ');
    *space = '\0';
    if (strcmp(head->method, "CONNECT") == 0) {
        return green__http_head_fail(head, 501, "this is no proxy");
    }
    err = split_target(head);
    err = err != 0 ? err : check_host(head);
    err = err != 0 ? err : find_framing(head);
    if (err != 0) {
        return err;
    }
    find_keep_alive(head);
    const char *expect = green_http_header(&head->headers, "Expect");
    if (expect != NULL && head->minor > 0) {
        if (!green__http_same(expect, "100-continue")) {
            return green__http_head_fail(head, 417, "an unknown expectation");
        }
        head->expects = true;
    }
    return 0;
}

int
green__http_head_parse_response(struct green__http_head *head, bool to_head)
{
    const char *line = head->text.data;
    const char *end = strchr(line, '\r');
    const char *space = memchr(line, ' ', (size_t)(end - line));
    int err = check_version(head, line, space != NULL ? space : end);
    err = err != 0 ? err : green__http_head_split(head, true);
    if (err != 0) {
        return err;
    }
    size_t length = (size_t)(end - line);
    if (head->code < 100 || head->code > 599 || length < 12 || (length > 12 && line[12] != ' ')) {
        return green__http_head_fail(head, 400, "a status that there is not");
    }
    head->text.data[length] = '\0';
    head->reason = length > 13 ? line + 13 : "";
    if (head->code < 200 || head->code == 204 || head->code == 304 || to_head) {
        find_keep_alive(head);
        return 0;
    }
    err = find_framing(head);
    if (err != 0) {
        return err;
    }
    find_keep_alive(head);
    if (head->framing == GREEN__HTTP_NO_BODY) {
        head->framing = GREEN__HTTP_UNTIL_END;
        head->keep_alive = false;
    } else if (head->framing == GREEN__HTTP_LENGTH && head->length == 0) {
        head->framing = GREEN__HTTP_NO_BODY;
    }
    return 0;
}
