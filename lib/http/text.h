/*
 * Text that grows, and what HTTP calls a token, a value, a list.
 */
#ifndef GREEN_HTTP_TEXT_H
#define GREEN_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "green/http.h"

/** All zero is empty. Once memory ran out, `err` is -ENOMEM and nothing is added any more. */
struct green__http_text {
    char *data;
    size_t length;
    size_t capacity;
    int err;
};

/** Have room for so many more bytes: 0 or -ENOMEM. */
int green__http_text_reserve(struct green__http_text *text, size_t more);

void green__http_text_add(struct green__http_text *text, const void *bytes, size_t length);
void green__http_text_adds(struct green__http_text *text, const char *string);
void green__http_text_addu(struct green__http_text *text, uint64_t number, unsigned base);

/** "Name: value\r\n" */
void green__http_text_header(struct green__http_text *text, const char *name, const char *value);

/** Make it empty and keep its memory, unless that is more than `keep` bytes. */
void green__http_text_clear(struct green__http_text *text, size_t keep);

void green__http_text_fini(struct green__http_text *text);

/** Whether bytes are a token: a method, a header's name. */
bool green__http_is_token(const char *bytes, size_t length);

/** Whether a string can stand as a header's value: no control character but the tab. */
bool green__http_is_value(const char *string);

/** Whether the string is the name, in any case. */
bool green__http_same(const char *string, const char *name);

/** Whether the comma-separated values of all headers of a name hold a word, in any case. */
bool green__http_lists(const struct green_http_headers *headers, const char *name,
                       const char *word);

/** How many headers of a name there are. */
size_t green__http_count(const struct green_http_headers *headers, const char *name);

/** Whether headers can be sent: all well-formed, none of `ours`, which ends with NULL. */
bool green__http_sendable(const struct green_http_header *headers, size_t count,
                          const char *const *ours);

/** Room for a date and its terminator. */
#define GREEN__HTTP_DATE 30

/** "Sun, 06 Nov 1994 08:49:37 GMT", of seconds since 1970. */
void green__http_date(int64_t seconds, char out[GREEN__HTTP_DATE]);

#endif
