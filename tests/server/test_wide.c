/*
 * Registers that a thread forgets so that no switch has to save them.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "wide.h"

#if defined(__x86_64__) && !defined(__AVX512F__)

/* Keep `from` in a register that AVX-512 adds, forget, and see what is there. */
__attribute__((target("avx512f"), noinline)) static void
forget(const unsigned char from[64], unsigned char to[64])
{
    __asm__ volatile("vmovdqu64 %0, %%zmm20" : : "m"(*(const unsigned char(*)[64])from) : "xmm20");
    wide_forget();
    __asm__ volatile("vmovdqu64 %%zmm20, %0" : "=m"(*(unsigned char(*)[64])to));
}

START_TEST(what_is_in_a_wide_register_is_forgotten)
{
    unsigned char from[64], to[64];
    const unsigned char none[64] = {0};
    memset(from, 0xa5, sizeof from);
    if (!__builtin_cpu_supports("avx512f")) {
        wide_forget(); /* which is no instruction that this processor has not */
        return;
    }
    forget(from, to);
    ck_assert_mem_eq(to, none, sizeof to);
}
END_TEST

#else

START_TEST(what_is_in_a_wide_register_is_forgotten)
{
    wide_forget();
}
END_TEST

#endif

int
main(void)
{
    Suite *suite = suite_create("wide");
    TCase *cases = tcase_create("wide");

    tcase_add_test(cases, what_is_in_a_wide_register_is_forgotten);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
