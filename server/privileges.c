/*
 * Giving up privileges.
 *
 * Invariant: `chosen` is set once, before the drop, and holds what echod becomes; `becoming` says
 * that it is to become somebody else at all. A successor of an upgrade is that user already.
 */
#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "values.h"

enum { EXIT_SYSTEM = 1, EXIT_USAGE = 2 };

static struct {
    const char *name; /* NULL for a number that has no name */
    uid_t user;
    gid_t group;
} chosen;

static bool becoming;

/* ---- who ---- */

/** A number that is an id: the greatest stands for none. */
static bool
parse_id(const char *text, uint64_t *ret_id)
{
    return value_number(text, ret_id) && *ret_id < UINT32_MAX;
}

static int
find_user(const char *text)
{
    uint64_t number;
    const struct passwd *entry = getpwnam(text);
    if (entry == NULL && parse_id(text, &number)) {
        entry = getpwuid((uid_t)number);
        chosen.user = (uid_t)number;
        chosen.group = (gid_t)number;
    } else if (entry == NULL) {
        log_write(LOG_ERROR, "--user %s: this machine has no such user", text);
        return EXIT_USAGE;
    }
    if (entry != NULL) {
        chosen.name = strdup(entry->pw_name);
        chosen.user = entry->pw_uid;
        chosen.group = entry->pw_gid;
    }
    return 0;
}

static int
find_group(const char *text)
{
    uint64_t number;
    const struct group *entry = getgrnam(text);
    if (entry != NULL) {
        chosen.group = entry->gr_gid;
    } else if (parse_id(text, &number)) {
        chosen.group = (gid_t)number;
    } else {
        log_write(LOG_ERROR, "--group %s: this machine has no such group", text);
        return EXIT_USAGE;
    }
    return 0;
}

int
privileges_choose(const struct options *options)
{
    const char *user = options->user;
    const char *group = options->group;
    if (user == NULL) {
        if (group != NULL) {
            log_write(LOG_ERROR, "--group %s: that goes with --user", group);
            return EXIT_USAGE;
        }
        return 0;
    }
    int code = find_user(user);
    if (code == 0 && group != NULL) {
        code = find_group(group);
    }
    if (code != 0) {
        return code;
    }
    if (chosen.user == 0) {
        log_write(LOG_ERROR, "--user %s: that user may do everything; name another one", user);
        return EXIT_USAGE;
    }
    becoming = geteuid() != chosen.user || getegid() != chosen.group;
    if (becoming && geteuid() != 0) {
        log_write(LOG_ERROR, "--user %s: only root can become another user", user);
        return EXIT_SYSTEM;
    }
    return 0;
}

/* ---- files ---- */

int
privileges_open(const char *path, int flags, mode_t mode)
{
    int fd = -1;
    if (!becoming) {
        fd = open(path, flags, mode);
        return fd >= 0 ? fd : -errno; /* cppcheck-suppress resourceLeak */
    }
    /* What is there already may be a link that the user has laid: it is opened with his rights. */
    if (setegid(chosen.group) == 0 && seteuid(chosen.user) == 0) {
        fd = open(path, flags, mode);
    }
    int err = fd >= 0 ? 0 : -errno;
    if (seteuid(0) != 0 || setegid(0) != 0) {
        abort();
    }
    if (err == -EACCES || err == -EPERM) {
        fd = open(path, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
        if (fd >= 0 && fchown(fd, chosen.user, chosen.group) != 0) {
            err = -errno;
            close(fd);
            return err;
        }
    }
    return fd >= 0 ? fd : err;
}

/* ---- the drop ---- */

static bool
set_ids(void)
{
    int groups =
        chosen.name != NULL ? initgroups(chosen.name, chosen.group) : setgroups(1, &chosen.group);
    return groups == 0 && setresgid(chosen.group, chosen.group, chosen.group) == 0 &&
           setresuid(chosen.user, chosen.user, chosen.user) == 0;
}

/** None to have, none to get by running another program. Where there were none, nothing changes. */
static bool
drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    struct __user_cap_data_struct had[_LINUX_CAPABILITY_U32S_3];
    memset(none, 0, sizeof none);
    memset(had, 0, sizeof had); /* valgrind knows of the first half alone that it is filled in */
    if (syscall(SYS_capget, &header, had) == 0 && memcmp(had, none, sizeof none) == 0) {
        return true; /* a sandbox that gives none may refuse the other call */
    }
    return syscall(SYS_capset, &header, none) == 0;
}

static void
bound_capabilities(void)
{
    /* Up to the last that this kernel knows; takes a capability itself, which who has none lacks.
     */
    for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;) {
        capability++;
    }
}

int
privileges_drop(void)
{
    errno = 0;
    if (becoming) {
        bound_capabilities();
        if (!set_ids()) {
            log_write(LOG_ERROR, "--user: cannot become user %u, group %u: %s",
                      (unsigned)chosen.user, (unsigned)chosen.group, strerror(errno));
            return EXIT_SYSTEM;
        }
        becoming = false;
    }
    bool privileged = geteuid() == 0; /* root without --user stays what it is */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || (!privileged && !drop_capabilities()) ||
        (!privileged && (setuid(0) == 0 || seteuid(0) == 0))) {
        log_write(LOG_ERROR, "privileges cannot be given up: %s", strerror(errno));
        return EXIT_SYSTEM;
    }
    return 0;
}
