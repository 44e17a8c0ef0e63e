/*
 * Writes pages of comparisons that nobody has measured, for the test that looks at them.
 *
 *     made_up_page run|modes|sweep|many|empty FILE.html FILE.json
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare/comparison_json.h"
#include "html/html.h"
#include "made_up.h"

static const struct made_up four[] = {
    {"green", 281000, 215, 12, 3.4, 4432, 0.04, false},
    {"green*2", 298000, 205, 14, 3.6, 5120, 0.05, false},
    {"thread", 164000, 364, 30, 6.0, 13600, 0.08, false},
    {"prefork", 129000, 480, 45, 7.3, 155648, 0.1, false},
};

static const struct made_up twelve[] = {
    {"green", 281000, 215, 12, 3.4, 4432, 0.04, true},
    {"green*2", 280900, 216, 12, 3.4, 4432, 0.04, false},
    {"thread", 280800, 217, 12, 3.4, 4432, 0.04, false},
    {"prefork", 280700, 218, 12, 3.4, 4432, 0.04, false},
    {"a-server-of-a-long-name", 129000, 480, 45, 0, 0, 0.1, false},
    {"<b>&\"quoted\"</b>", 0.4, 4800000, 4, 900000, 1, 0.1, false},
    {"WWWWWWWWWWWWWWWWWWWWWWWW", 12000, 480, 45, 7.3, 1e10, 0.1, false},
    {"straße", 90000, 480, 45, 7.3, 155648, 0.1, false},
};

static const uint64_t one_point[] = {64};
static const uint64_t four_points[] = {1, 64, 1000, 10000};

static struct echoc_comparison *
make(const char *which)
{
    if (strcmp(which, "run") == 0) {
        return made_up_comparison(four, 1, one_point, 1, 1);
    }
    if (strcmp(which, "modes") == 0) {
        return made_up_comparison(four, 4, one_point, 1, 5);
    }
    if (strcmp(which, "sweep") == 0) {
        return made_up_comparison(four, 4, four_points, 4, 3);
    }
    if (strcmp(which, "many") == 0) {
        return made_up_comparison(twelve, sizeof twelve / sizeof *twelve, one_point, 1, 2);
    }
    if (strcmp(which, "empty") == 0) {
        return made_up_comparison(four, 2, one_point, 1, 0);
    }
    return NULL;
}

int
main(int argc, char **argv)
{
    struct echoc_comparison *comparison = argc == 4 ? make(argv[1]) : NULL;
    if (comparison == NULL) {
        (void)fputs("usage: made_up_page run|modes|sweep|many|empty FILE.html FILE.json\n", stderr);
        return 2;
    }
    int err = echoc_html_write(argv[2], comparison);
    if (err == 0) {
        err = echoc_comparison_write_json(argv[3], comparison);
    }
    char *words = echoc_comparison_words(comparison);
    printf("%s\n", words != NULL ? words : "");
    free(words);
    echoc_comparison_destroy(comparison);
    return err == 0 ? 0 : 1;
}
