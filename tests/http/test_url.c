/*
 * URLs, references, queries.
 */
#include "support.h"

#include "http/url.h"

START_TEST(urls_are_taken_apart)
{
    static const struct {
        const char *text;
        const char *host;
        const char *target;
        int err;
        int port;
    } rows[] = {
        {"http://example.org/", "example.org", "/", 0, 80},
        {"http://example.org", "example.org", "", 0, 80},
        {"HTTP://Example.org:8080/a/b?c=d&e#f", "Example.org", "/a/b?c=d&e", 0, 8080},
        {"http://127.0.0.1:1?x", "127.0.0.1", "?x", 0, 1},
        {"http://[::1]:8888/a", "::1", "/a", 0, 8888},
        {"http://a/%20?q=%zz", "a", "/%20?q=%zz", 0, 80},
        {"http://a/b:c//d", "a", "/b:c//d", 0, 80},
        {"https://a/", NULL, NULL, -EPROTONOSUPPORT, 0},
        {"ftp://a/", NULL, NULL, -EPROTONOSUPPORT, 0},
        {"http:/a/", NULL, NULL, -EINVAL, 0},
        {"a.b/c", NULL, NULL, -EINVAL, 0},
        {"/a", NULL, NULL, -EINVAL, 0},
        {"", NULL, NULL, -EINVAL, 0},
        {"://a", NULL, NULL, -EINVAL, 0},
        {"http://", NULL, NULL, -EINVAL, 0},
        {"http:///a", NULL, NULL, -EINVAL, 0},
        {"http://a:0/", NULL, NULL, -EINVAL, 0},
        {"http://a:65536/", NULL, NULL, -EINVAL, 0},
        {"http://a:x/", NULL, NULL, -EINVAL, 0},
        {"http://me@a/", NULL, NULL, -EINVAL, 0},
        {"http://me:secret@a/", NULL, NULL, -EINVAL, 0},
        {"http://a b/", NULL, NULL, -EINVAL, 0},
        {"http://a/b c", NULL, NULL, -EINVAL, 0},
        {"http://a/\r\nX: y", NULL, NULL, -EINVAL, 0},
        {"http://a/\xc3\xa9", NULL, NULL, -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct green_http_url url;
        memset(&url, 0x55, sizeof url);
        int err = green_http_url_parse(rows[i].text, &url);
        ck_assert_msg(err == rows[i].err, "%s: %d", rows[i].text, err);
        if (err == 0) {
            ck_assert_str_eq(url.host, rows[i].host);
            ck_assert_int_eq(url.port, rows[i].port);
            ck_assert_uint_eq(url.target_length, strlen(rows[i].target));
            ck_assert_int_eq(memcmp(url.target, rows[i].target, url.target_length), 0);
        } else {
            ck_assert_int_eq(url.port, 0x5555);
        }
    }
}
END_TEST

START_TEST(long_urls_are_refused)
{
    char text[GREEN__HTTP_URL_MAX + 2];
    struct green_http_url url;
    memset(text, 'a', sizeof text);
    memcpy(text, "http://h/", 9);
    text[GREEN__HTTP_URL_MAX] = '\0';
    ck_assert_int_eq(green_http_url_parse(text, &url), 0);
    text[GREEN__HTTP_URL_MAX] = 'a';
    text[GREEN__HTTP_URL_MAX + 1] = '\0';
    ck_assert_int_eq(green_http_url_parse(text, &url), -EINVAL);
    /* A host of 255 bytes is one, of 256 none. */
    memset(text, 'a', 300);
    memcpy(text, "http://", 7);
    memcpy(text + 7 + 255, "/", 2);
    ck_assert_int_eq(green_http_url_parse(text, &url), 0);
    ck_assert_uint_eq(strlen(url.host), 255);
    memcpy(text + 7 + 255, "a/", 3);
    ck_assert_int_eq(green_http_url_parse(text, &url), -EINVAL);
}
END_TEST

/* The examples of RFC 3986, section 5.4, but those whose scheme is another. */
START_TEST(references_are_resolved)
{
    static const char *const rows[][2] = {
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {"g#s", "http://a/b/c/g"},
        {"g?y#s", "http://a/b/c/g?y"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"http://h:1/x y", "http://h:1/x%20y"},
        {"https://h/", "https://h/"},
        {"\xc3\xa9", "http://a/b/c/%C3%A9"},
    };
    struct green__http_text out = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(green__http_url_resolve("http://a/b/c/d;p?q", rows[i][0], &out), 0);
        ck_assert_str_eq(out.data, rows[i][1]);
    }
    ck_assert_int_eq(green__http_url_resolve("http://a", "g", &out), 0);
    ck_assert_str_eq(out.data, "http://a/g");
    ck_assert_int_eq(green__http_url_resolve("http://a?q", "../g", &out), 0);
    ck_assert_str_eq(out.data, "http://a/g");
    green__http_text_fini(&out);
}
END_TEST

START_TEST(percent_encoding_is_undone)
{
    char out[32];
    ck_assert_int_eq(green_http_decode("a%20b+c%2B%00%ff", 16, out, false), 8);
    ck_assert_int_eq(memcmp(out, "a b+c+\0\xff", 8), 0);
    ck_assert_int_eq(green_http_decode("a+b", 3, out, true), 3);
    ck_assert_int_eq(memcmp(out, "a b", 3), 0);
    memset(out, 'x', sizeof out);
    static const char *const bad[] = {"%", "a%", "a%2", "a%2g", "%g2", "%%20", "abcdef%%%"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(green_http_decode(bad[i], strlen(bad[i]), out, false), -EBADMSG);
    }
    ck_assert_int_eq(out[0], 'x');
    /* The length is the limit, not a zero byte behind: in place, too. */
    memcpy(out, "%41%42", 7);
    ck_assert_int_eq(green_http_decode(out, 5, out, false), -EBADMSG);
    ck_assert_int_eq(green_http_decode(out, 6, out, false), 2);
    ck_assert_int_eq(memcmp(out, "AB", 2), 0);
}
END_TEST

START_TEST(queries_are_split)
{
    struct text trace = {0};
    const char *cursor = "a=1&&b=&c&=d&e=f=g&";
    struct green_http_parameter parameter;
    while (green_http_query_next(&cursor, &parameter)) {
        text_add(&trace, "[%.*s|%.*s]", (int)parameter.name_length, parameter.name,
                 (int)parameter.value_length, parameter.value);
    }
    ck_assert_str_eq(trace.data, "[a|1][b|][c|][|d][e|f=g]");
    cursor = NULL;
    ck_assert(!green_http_query_next(&cursor, &parameter));
}
END_TEST

START_TEST(parameters_are_found)
{
    char value[8] = "before";
    const char *query = "na%6De=a+b%21&empty=&bad=%x&long=12345678&%zz=1&nameless";
    ck_assert_int_eq(green_http_query_get(query, "none", value, sizeof value), -ENOENT);
    ck_assert_int_eq(green_http_query_get(NULL, "a", value, sizeof value), -ENOENT);
    ck_assert_int_eq(green_http_query_get(query, "bad", value, sizeof value), -EBADMSG);
    ck_assert_int_eq(green_http_query_get(query, "long", value, sizeof value), -ENOBUFS);
    ck_assert_str_eq(value, "before");
    ck_assert_int_eq(green_http_query_get(query, "name", value, sizeof value), 4);
    ck_assert_str_eq(value, "a b!");
    ck_assert_int_eq(green_http_query_get(query, "empty", value, sizeof value), 0);
    ck_assert_str_eq(value, "");
    ck_assert_int_eq(green_http_query_get(query, "nameless", value, sizeof value), 0);
    char exact[9];
    ck_assert_int_eq(green_http_query_get(query, "long", exact, sizeof exact), 8);
    ck_assert_str_eq(exact, "12345678");
}
END_TEST

START_TEST(headers_are_found_in_any_case)
{
    static const struct green_http_header items[] = {
        {"Accept", "a"}, {"X-Y", "b"}, {"accept", "c"}};
    const struct green_http_headers headers = {items, 3};
    ck_assert_str_eq(green_http_header(&headers, "ACCEPT"), "a");
    ck_assert_ptr_null(green_http_header(&headers, "Accep"));
    size_t position = 0;
    ck_assert_str_eq(green_http_header_next(&headers, "Accept", &position), "a");
    ck_assert_str_eq(green_http_header_next(&headers, "Accept", &position), "c");
    ck_assert_ptr_null(green_http_header_next(&headers, "Accept", &position));
    ck_assert_str_eq(green_http_reason(431), "Request Header Fields Too Large");
    ck_assert_str_eq(green_http_reason(299), "Unknown");
}
END_TEST

START_TEST(dates_are_written)
{
    char date[GREEN__HTTP_DATE];
    green__http_date(784111777, date);
    ck_assert_str_eq(date, "Sun, 06 Nov 1994 08:49:37 GMT");
    green__http_date(4102444799, date);
    ck_assert_str_eq(date, "Thu, 31 Dec 2099 23:59:59 GMT");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("http url");
    TCase *tcase = new_case(suite, "url");
    tcase_add_test(tcase, urls_are_taken_apart);
    tcase_add_test(tcase, long_urls_are_refused);
    tcase_add_test(tcase, references_are_resolved);
    tcase_add_test(tcase, percent_encoding_is_undone);
    tcase_add_test(tcase, queries_are_split);
    tcase_add_test(tcase, parameters_are_found);
    tcase_add_test(tcase, headers_are_found_in_any_case);
    tcase_add_test(tcase, dates_are_written);
    return run_suite(suite);
}
