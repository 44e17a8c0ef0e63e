/*
 * URLs: from a redirect's reference to where it leads.
 */
#ifndef GREEN_HTTP_URL_H
#define GREEN_HTTP_URL_H

#include "green/http.h"
#include "http/text.h"

/** The longest URL, in bytes; http-parser counts in 16 bits. */
#define GREEN__HTTP_URL_MAX 8000

/**
 * The URL that a reference stands for, seen from a base.
 *
 * @param base      A URL that was parsed.
 * @param location  What a Location header says; bytes that are not visible ASCII get encoded.
 * @param out       Cleared; gets the URL, terminated, without fragment.
 * @return 0 or -ENOMEM; whether the result is a URL is not looked at.
 */
int green__http_url_resolve(const char *base, const char *location, struct green__http_text *out);

/** Add "host" or "host:port", as the Host header has it. */
void green__http_url_authority(const struct green_http_url *url, struct green__http_text *out);

/** Whether two URLs have the same host and port. */
bool green__http_url_same_host(const struct green_http_url *a, const struct green_http_url *b);

#endif
