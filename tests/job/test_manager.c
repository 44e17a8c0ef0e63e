/*
 * Managers: what they hold, for many at once, and what is left when somebody dies.
 */
#include "green/manager.h"
#include "ipc_crowd.h"

static struct green_manager *manager;

static void
make_manager(void)
{
    ck_assert_int_eq(green_manager_create(&manager), 0);
}

static void
end_manager(void)
{
    pid_t pid = green_manager_pid(manager);
    green_manager_destroy(manager);
    ck_assert_int_eq(kill(pid, 0), -1); /* reaped, too */
}

static int
by_text(const void *left, const void *right)
{
    return strcmp(((const struct green_manager_item *)left)->data,
                  ((const struct green_manager_item *)right)->data);
}

START_TEST(dicts)
{
    void *value;
    int64_t sum;
    struct green_manager_item *keys;
    make_manager();
    ck_assert_int_eq(green_manager_dict_len(manager, "d"), 0);
    ck_assert_int_eq(green_manager_dict_get(manager, "d", "k", &value), -ENOENT);
    ck_assert_int_eq(green_manager_dict_keys(manager, "d", &keys), 0);
    green_manager_free(keys);
    ck_assert_int_eq(green_manager_dict_set(manager, "d", "k", "one", 3), 0);
    ck_assert_int_eq(green_manager_dict_get(manager, "d", "k", &value), 3);
    ck_assert_str_eq(value, "one");
    green_manager_free(value);
    ck_assert_int_eq(green_manager_dict_set(manager, "d", "k", "", 0), 0);
    ck_assert_int_eq(green_manager_dict_get(manager, "d", "k", &value), 0);
    ck_assert_str_eq(value, "");
    green_manager_free(value);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %03d", i);
        ck_assert_int_eq(green_manager_dict_set(manager, "d", key, &i, sizeof i), 0);
    }
    ck_assert_int_eq(green_manager_dict_delete(manager, "d", "k"), 0);
    ck_assert_int_eq(green_manager_dict_delete(manager, "d", "k"), -ENOENT);
    ck_assert_int_eq(green_manager_dict_len(manager, "d"), 100);
    ck_assert_int_eq(green_manager_dict_keys(manager, "d", &keys), 100);
    qsort(keys, 100, sizeof *keys, by_text);
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %03d", i);
        ck_assert_str_eq(keys[i].data, key);
        ck_assert_uint_eq(keys[i].length, 7);
        ck_assert_int_eq(green_manager_dict_get(manager, "d", key, &value), sizeof i);
        ck_assert_int_eq(*(int *)value, i);
        green_manager_free(value);
    }
    green_manager_free(keys);
    ck_assert_int_eq(green_manager_dict_add(manager, "d", "n", 5, &sum), 0);
    ck_assert_int_eq(green_manager_dict_add(manager, "d", "n", -7, &sum), 0);
    ck_assert_int_eq(sum, -2);
    ck_assert_int_eq(green_manager_dict_add(manager, "d", "key 000", 1, &sum), -EINVAL);
    ck_assert_int_eq(green_manager_list_append(manager, "d", "x", 1), -EINVAL);
    ck_assert_int_eq(green_manager_forget(manager, "d"), 0);
    ck_assert_int_eq(green_manager_forget(manager, "d"), -ENOENT);
    ck_assert_int_eq(green_manager_list_append(manager, "d", "x", 1), 0);
    end_manager();
}
END_TEST

/** The list as one word. */
static const char *
listed(const char *name)
{
    static char text[64];
    struct green_manager_item *items;
    ssize_t count = green_manager_list_items(manager, name, &items);
    ck_assert_int_ge(count, 0);
    text[0] = '\0';
    for (ssize_t i = 0; i < count; i++) {
        ck_assert_uint_eq(strlen(items[i].data), items[i].length);
        strcat(text, items[i].data);
        strcat(text, ",");
    }
    green_manager_free(items);
    return text;
}

START_TEST(lists)
{
    void *item;
    make_manager();
    ck_assert_str_eq(listed("l"), "");
    ck_assert_int_eq(green_manager_list_pop(manager, "l", 0, &item), -ERANGE);
    ck_assert_int_eq(green_manager_list_append(manager, "l", "b", 1), 0);
    ck_assert_int_eq(green_manager_list_append(manager, "l", "", 0), 0);
    ck_assert_int_eq(green_manager_list_insert(manager, "l", 0, "a", 1), 0);
    ck_assert_int_eq(green_manager_list_insert(manager, "l", -1, "cc", 2), 0);
    ck_assert_int_eq(green_manager_list_insert(manager, "l", 99, "z", 1), 0);
    ck_assert_int_eq(green_manager_list_insert(manager, "l", -99, "0", 1), 0);
    ck_assert_str_eq(listed("l"), "0,a,b,cc,,z,");
    ck_assert_int_eq(green_manager_list_len(manager, "l"), 6);
    ck_assert_int_eq(green_manager_list_set(manager, "l", 1, "A", 1), 0);
    ck_assert_int_eq(green_manager_list_set(manager, "l", 6, "A", 1), -ERANGE);
    ck_assert_int_eq(green_manager_list_set(manager, "l", -7, "A", 1), -ERANGE);
    ck_assert_int_eq(green_manager_list_get(manager, "l", -3, &item), 2);
    ck_assert_str_eq(item, "cc");
    green_manager_free(item);
    ck_assert_int_eq(green_manager_list_pop(manager, "l", -1, &item), 1);
    ck_assert_str_eq(item, "z");
    green_manager_free(item);
    ck_assert_int_eq(green_manager_list_pop(manager, "l", 0, NULL), 1);
    ck_assert_str_eq(listed("l"), "A,b,cc,,");
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(green_manager_list_append(manager, "long", &i, sizeof i), 0);
    }
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(green_manager_list_pop(manager, "long", 0, &item), sizeof i);
        ck_assert_int_eq(*(int *)item, i);
        green_manager_free(item);
    }
    end_manager();
}
END_TEST

#define ITEM(text)                       \
    {                                    \
        (void *)(text), sizeof(text) - 1 \
    }

/** All items of the list, with a blank after each. */
static const char *
list_of(const char *name)
{
    static char text[256];
    struct green_manager_item *items;
    ssize_t count = green_manager_list_items(manager, name, &items);
    ck_assert_int_ge(count, 0);
    text[0] = '\0';
    for (ssize_t i = 0; i < count; i++) {
        strcat(strcat(text, items[i].data), " ");
    }
    green_manager_free(items);
    return text;
}

START_TEST(dicts_in_bulk)
{
    static const char *const keys[] = {"b", "a", "b", "c"};
    static const struct green_manager_item values[] = {ITEM("1"), ITEM("2"), ITEM("3"), ITEM("")};
    struct green_manager_item *items;
    void *value;
    make_manager();
    ck_assert_int_eq(green_manager_dict_clear(manager, "d"), 0);
    ck_assert_int_eq(green_manager_dict_pop(manager, "d", "a", &value), -ENOENT);
    ck_assert_int_eq(green_manager_dict_update(manager, "d", keys, values, 4), 0);
    ck_assert_int_eq(green_manager_dict_update(manager, "d", NULL, NULL, 0), 0);
    ck_assert_int_eq(green_manager_dict_len(manager, "d"), 3);
    ck_assert_int_eq(green_manager_dict_items(manager, "d", &items), 3);
    for (int i = 0; i < 6; i += 2) { /* the later of two values for a key stays */
        const char *key = items[i].data;
        ck_assert_str_eq(items[i + 1].data, key[0] == 'a' ? "2" : key[0] == 'b' ? "3" : "");
    }
    green_manager_free(items);
    ck_assert_int_eq(green_manager_dict_values(manager, "d", &items), 3);
    qsort(items, 3, sizeof *items, by_text);
    ck_assert_str_eq(items[0].data, "");
    ck_assert_str_eq(items[1].data, "2");
    ck_assert_str_eq(items[2].data, "3");
    green_manager_free(items);
    ck_assert_int_eq(green_manager_dict_pop(manager, "d", "a", &value), 1);
    ck_assert_str_eq(value, "2");
    green_manager_free(value);
    ck_assert_int_eq(green_manager_dict_get(manager, "d", "a", &value), -ENOENT);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(
            green_manager_dict_setdefault(manager, "d", "a", i == 0 ? "new" : "no", 2 + !i, &value),
            3);
        ck_assert_str_eq(value, "new");
        green_manager_free(value);
    }
    ck_assert_int_eq(green_manager_list_extend(manager, "d", values, 1), -EINVAL);
    ck_assert_int_eq(green_manager_dict_clear(manager, "d"), 0);
    ck_assert_int_eq(green_manager_dict_len(manager, "d"), 0);
    end_manager();
}
END_TEST

START_TEST(lists_in_bulk)
{
    static const struct green_manager_item words[] = {ITEM("pear"), ITEM("fig"), ITEM("apple"),
                                                      ITEM("fig"), ITEM("figs")};
    make_manager();
    ck_assert_int_eq(green_manager_list_sort(manager, "l", GREEN_SORT_BYTES), 0);
    ck_assert_int_eq(green_manager_list_remove(manager, "l", "fig", 3), -ENOENT);
    ck_assert_int_eq(green_manager_list_count(manager, "l", "fig", 3), 0);
    ck_assert_int_eq(green_manager_list_extend(manager, "l", words, 5), 0);
    ck_assert_int_eq(green_manager_list_extend(manager, "l", words, 0), 0);
    ck_assert_str_eq(list_of("l"), "pear fig apple fig figs ");
    ck_assert_int_eq(green_manager_list_index(manager, "l", "fig", 3), 1);
    ck_assert_int_eq(green_manager_list_index(manager, "l", "figs", 4), 4);
    ck_assert_int_eq(green_manager_list_index(manager, "l", "fi", 2), -ENOENT);
    ck_assert_int_eq(green_manager_list_count(manager, "l", "fig", 3), 2);
    ck_assert_int_eq(green_manager_list_remove(manager, "l", "fig", 3), 0);
    ck_assert_str_eq(list_of("l"), "pear apple fig figs ");
    ck_assert_int_eq(green_manager_list_reverse(manager, "l"), 0);
    ck_assert_str_eq(list_of("l"), "figs fig apple pear ");
    ck_assert_int_eq(green_manager_list_sort(manager, "l", GREEN_SORT_BYTES), 0);
    ck_assert_str_eq(list_of("l"), "apple fig figs pear ");
    ck_assert_int_eq(green_manager_list_sort(manager, "l", GREEN_SORT_REVERSE), 0);
    ck_assert_str_eq(list_of("l"), "pear figs fig apple ");
    ck_assert_int_eq(green_manager_list_clear(manager, "l"), 0);
    ck_assert_int_eq(green_manager_list_len(manager, "l"), 0);
    static const int64_t numbers[] = {300, -1, 2, -70000000000};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(green_manager_list_append(manager, "l", &numbers[i], 8), 0);
    }
    ck_assert_int_eq(green_manager_list_append(manager, "l", "odd", 3), 0);
    ck_assert_int_eq(green_manager_list_sort(manager, "l", GREEN_SORT_NUMBERS), 0);
    static const int order[] = {3, 1, 2, 0};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(green_manager_list_index(manager, "l", &numbers[order[i]], 8), i);
    }
    ck_assert_int_eq(green_manager_list_index(manager, "l", "odd", 3), 4);
    end_manager();
}
END_TEST

START_TEST(values)
{
    void *value;
    int64_t sum;
    size_t size = (size_t)stress(20, 2) << 20;
    make_manager();
    ck_assert_int_eq(green_manager_value_get(manager, "v", &value), -ENOENT);
    ck_assert_int_eq(green_manager_value_add(manager, "v", 41, NULL), 0);
    ck_assert_int_eq(green_manager_value_add(manager, "v", 1, &sum), 0);
    ck_assert_int_eq(sum, 42);
    char *large = malloc(size);
    memset(large, 'x', size);
    ck_assert_int_eq(green_manager_value_set(manager, "v", large, size), 0);
    ck_assert_int_eq(green_manager_value_get(manager, "v", &value), (ssize_t)size);
    ck_assert_int_eq(memcmp(value, large, size), 0);
    green_manager_free(value);
    free(large);
    ck_assert_int_eq(green_manager_value_add(manager, "v", 1, &sum), -EINVAL);
    end_manager();
}
END_TEST

/* ---- many at once ---- */

static int rounds;

static intptr_t
use_manager(void *arg)
{
    const struct member *me = arg;
    for (int i = 0; i < rounds; i++) {
        char key[16];
        void *value = NULL;
        snprintf(key, sizeof key, "%d", me->index);
        if (green_manager_value_add(manager, "sum", 1, NULL) != 0 ||
            green_manager_dict_set(manager, "own", key, &i, sizeof i) != 0 ||
            green_manager_list_append(manager, "all", key, strlen(key)) != 0 ||
            green_manager_dict_get(manager, "own", key, &value) != sizeof i ||
            memcmp(value, &i, sizeof i) != 0) {
            return -EPROTO;
        }
        green_manager_free(value);
    }
    return 0;
}

START_TEST(many_at_once)
{
    int64_t sum;
    rounds = stress(100, 10);
    make_manager();
    ck_assert_int_eq(run_crowd(use_manager, NULL), 0);
    ck_assert_int_eq(green_manager_value_add(manager, "sum", 0, &sum), 0);
    ck_assert_int_eq(sum, CROWD * rounds);
    ck_assert_int_eq(green_manager_dict_len(manager, "own"), CROWD);
    ck_assert_int_eq(green_manager_list_len(manager, "all"), CROWD * rounds);
    end_manager();
}
END_TEST

/* ---- deaths ---- */

static intptr_t
use_for_ever(void *arg)
{
    rounds = INT32_MAX;
    static struct member me;
    me.index = NUMBER(arg);
    return use_manager(&me);
}

START_TEST(clients_die)
{
    struct green_job *jobs[3];
    make_manager();
    for (int i = 0; i < 3; i++) {
        jobs[i] = spawn(GREEN_PROCESS, use_for_ever, POINTER(i));
    }
    for (int i = 0; i < stress(100, 10); i++) {
        usleep(any_below(2000));
        destroy_process(jobs[i % 3]);
        ck_assert_int_eq(green_manager_value_add(manager, "mine", 1, NULL), 0);
        jobs[i % 3] = spawn(GREEN_PROCESS, use_for_ever, POINTER(i % 3));
    }
    int64_t sum;
    ck_assert_int_eq(green_manager_value_add(manager, "mine", 0, &sum), 0);
    ck_assert_int_eq(sum, stress(100, 10));
    for (int i = 0; i < 3; i++) {
        destroy_process(jobs[i]);
    }
    end_manager();
}
END_TEST

static intptr_t
use_until_it_fails(void *arg)
{
    (void)arg;
    int err = 0;
    while (err == 0) {
        err = green_manager_value_add(manager, "n", 1, NULL);
    }
    int again = green_manager_value_add(manager, "n", 1, NULL);
    return err == -ECONNRESET ? again : err;
}

START_TEST(the_manager_dies)
{
    static const enum green_kind kinds[] = {GREEN_TASK, GREEN_THREAD, GREEN_PROCESS};
    for (int i = 0; i < stress(20, 4); i++) {
        struct green_job *jobs[6];
        make_manager();
        for (int j = 0; j < 6; j++) {
            jobs[j] = spawn(kinds[j % 3], use_until_it_fails, NULL);
        }
        green_sleep(any_below(10));
        ck_assert_int_eq(kill(green_manager_pid(manager), SIGKILL), 0);
        for (int j = 0; j < 6; j++) {
            ck_assert_int_eq(finish(jobs[j]), -ECONNRESET);
        }
        ck_assert_int_eq(green_manager_value_get(manager, "n", NULL), -ECONNRESET);
        end_manager();
    }
}
END_TEST

static intptr_t
create_and_tell(void *fd)
{
    make_manager();
    pid_t pid = green_manager_pid(manager);
    if (write(NUMBER(fd), &pid, sizeof pid) != sizeof pid) {
        return -EPIPE;
    }
    return green_sleep(60 * LONG_MS);
}

START_TEST(the_creator_dies)
{
    int ends[2];
    pid_t pid = 0;
    ck_assert_int_eq(pipe(ends), 0);
    struct green_job *creator = spawn(GREEN_PROCESS, create_and_tell, POINTER(ends[1]));
    ck_assert_int_eq(read(ends[0], &pid, sizeof pid), sizeof pid);
    destroy_process(creator);
    ck_assert(dies(pid));
}
END_TEST

/* A request that is cut short may still be answered: the next one must not get that answer. */
static intptr_t
ask(void *arg)
{
    (void)arg;
    int64_t sum = 0;
    int err = green_manager_value_add(manager, "x", 1, &sum);
    return err;
}

START_TEST(calls_cut_short)
{
    int64_t sum;
    make_manager();
    ck_assert_int_eq(green_manager_value_set(manager, "v", "text", 4), 0);
    ck_assert_int_eq(kill(green_manager_pid(manager), SIGSTOP), 0);
    struct green_timeout scope;
    green_timeout_start(&scope, 20);
    ck_assert_int_eq(green_manager_value_get(manager, "v", NULL), -ETIMEDOUT);
    green_timeout_stop(&scope);
    struct green_job *asker = spawn(GREEN_TASK, ask, NULL);
    green_sleep(5);
    green_job_cancel(asker);
    ck_assert_int_eq(finish(asker), -ECANCELED);
    ck_assert_int_eq(kill(green_manager_pid(manager), SIGCONT), 0);
    ck_assert_int_eq(green_manager_dict_add(manager, "d", "k", 7, &sum), 0);
    ck_assert_int_eq(sum, 7);
    end_manager();
}
END_TEST

START_TEST(stopped_it_is_ended_by_force)
{
    make_manager();
    ck_assert_int_eq(kill(green_manager_pid(manager), SIGSTOP), 0);
    end_manager();
}
END_TEST

static intptr_t
use_once(void *arg)
{
    (void)arg;
    int err = green_manager_value_add(manager, "n", 1, NULL);
    green_manager_destroy(manager);
    return err;
}

START_TEST(nothing_stays)
{
    int before = open_descriptors();
    for (int i = 0; i < 3; i++) {
        make_manager();
        ck_assert_int_eq(green_manager_value_add(manager, "n", 1, NULL), 0);
        ck_assert_int_eq(finish(spawn(GREEN_PROCESS, use_once, NULL)), 0);
        ck_assert_int_eq(green_manager_value_add(manager, "n", 1, NULL), 0);
        end_manager();
        ck_assert_int_eq(open_descriptors(), before);
    }
    green_manager_destroy(NULL);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 5;
    setrlimit(RLIMIT_NOFILE, &limit);
    ck_assert_int_eq(green_manager_create(&manager), -EMFILE);
}
END_TEST

int
main(void)
{
    const TTest *const tests[] = {
        dicts,
        lists,
        dicts_in_bulk,
        lists_in_bulk,
        values,
        many_at_once,
        clients_die,
        the_manager_dies,
        the_creator_dies,
        calls_cut_short,
        stopped_it_is_ended_by_force,
        nothing_stays,
    };
    return PROCESSES ? RUN_TESTS("manager", tests) : SKIPPED;
}
