/* A machine with faults, for one program: loaded before libc with LD_PRELOAD, it stands before the calls that change
 * a disk and lets one of them, or all from one on, fail below the directories that it is told. It can set the clock
 * of the calendar back, too. The program under test is the one that is shipped: nothing in it knows of this file.
 *
 * What it is told, each by an environment variable:
 *   FAULT_DIRS   directories below which calls count, with colons between them
 *   FAULT_AT     which of the calls that count fails, from 1; 0 for none
 *   FAULT_ERRNO  with what
 *   FAULT_LASTS  if set, so does every call that counts after it, and the first write gets half of its bytes down
 *   FAULT_CALL   only calls of this name count: write sync cut rename create folder link remove
 *   FAULT_FILE   only calls on paths that hold this text count
 *   FAULT_LOG    a file that gets a line for each call that counts: number, whether it failed, name, path
 *   FAULT_CLOCK  a file that says by how many seconds the clock of the calendar is wrong
 *
 * Calls that do not go through libc are not seen: of this program only syncfs, by which a sink of page bodies syncs
 * many files at once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static const char *dirs, *only_call, *only_file, *clock_file;
static long fails_at;
static int fault, lasts, log_to = -1;
static atomic_long calls;
static atomic_int has_failed;

__attribute__((constructor)) static void begin(void) {
    const char *text;
    dirs = getenv("FAULT_DIRS");
    only_call = getenv("FAULT_CALL");
    only_file = getenv("FAULT_FILE");
    clock_file = getenv("FAULT_CLOCK");
    fails_at = (text = getenv("FAULT_AT")) ? atol(text) : 0;
    fault = (text = getenv("FAULT_ERRNO")) ? atoi(text) : EIO;
    lasts = getenv("FAULT_LASTS") != NULL;
    if ((text = getenv("FAULT_LOG")))
        log_to = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static int is_below(const char *path) {
    for (const char *dir = dirs; dir && *dir;) {
        size_t length = strcspn(dir, ":");
        if (length && !strncmp(path, dir, length) && (path[length] == '/' || !path[length])) return 1;
        dir += length + (dir[length] == ':');
    }
    return 0;
}

/* Whether this call is to fail. */
static int fails(const char *call, const char *path) {
    if (!dirs || !is_below(path)) return 0;
    int goes_on = lasts && atomic_load(&has_failed);
    int counts = (!only_call || !strcmp(only_call, call)) && (!only_file || strstr(path, only_file));
    if (!counts && !goes_on) return 0;
    long number = counts ? atomic_fetch_add(&calls, 1) + 1 : 0;
    int hit = goes_on || (number > 0 && number == fails_at);
    /* A full disk gives room back and takes room for nothing else. */
    if (fault == ENOSPC && (!strcmp(call, "remove") || !strcmp(call, "cut"))) hit = 0;
    if (hit) atomic_store(&has_failed, 1);
    if (log_to >= 0) {
        char line[PATH_MAX + 64];
        int length = snprintf(line, sizeof line, "%ld %s %s %s\n", number, hit ? "failed" : "done", call, path);
        if (length > (int)sizeof line) length = sizeof line;
        syscall(SYS_write, log_to, line, (size_t)length);
    }
    return hit;
}

static int fd_fails(const char *call, int fd) {
    char link[64], path[PATH_MAX];
    if (!dirs) return 0;
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    errno = kept;
    if (length <= 0 || path[0] != '/') return 0;
    path[length] = 0;
    return fails(call, path);
}

static int path_fails(const char *call, const char *path) {
    char whole[PATH_MAX], here[PATH_MAX];
    if (!dirs) return 0;
    if (path[0] == '/' || !getcwd(here, sizeof here)) return fails(call, path);
    snprintf(whole, sizeof whole, "%.2000s/%.2000s", here, path);
    return fails(call, whole);
}

#define REAL(type, name, ...)                                    \
    static type (*real)(__VA_ARGS__);                            \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)
#define FAIL return errno = fault, -1

/* A disk that fills up takes what has room. */
static size_t half(size_t count) {
    static atomic_int once;
    return lasts && count > 1 && !atomic_exchange(&once, 1) ? count / 2 : 0;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (!fd_fails("write", fd)) return real(fd, bytes, count);
    size_t some = half(count);
    if (some) return real(fd, bytes, some);
    FAIL;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (fd_fails("write", fd)) FAIL;
    return real(fd, parts, count);
}

#define PWRITE(name)                                                        \
    ssize_t name(int fd, const void *bytes, size_t count, off_t at) {       \
        REAL(ssize_t, #name, int, const void *, size_t, off_t);             \
        if (!fd_fails("write", fd)) return real(fd, bytes, count, at);      \
        size_t some = half(count);                                          \
        if (some) return real(fd, bytes, some, at);                         \
        FAIL;                                                               \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t copy_file_range(int from, off_t *at, int to, off_t *to_at, size_t count, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off_t *, int, off_t *, size_t, unsigned);
    if (fd_fails("write", to)) FAIL;
    return real(from, at, to, to_at, count, flags);
}

ssize_t sendfile64(int to, int from, off_t *at, size_t count) {
    REAL(ssize_t, "sendfile64", int, int, off_t *, size_t);
    if (fd_fails("write", to)) FAIL;
    return real(to, from, at, count);
}

#define ON_FD(call, name, given, passed)          \
    int name given {                              \
        REAL(int, #name, SIGNATURE given);        \
        if (fd_fails(call, fd)) FAIL;             \
        return real passed;                       \
    }
#define SIGNATURE(...) __VA_ARGS__
ON_FD("sync", fsync, (int fd), (fd))
ON_FD("sync", fdatasync, (int fd), (fd))
ON_FD("sync", sync_file_range, (int fd, off_t at, off_t count, unsigned flags), (fd, at, count, flags))
ON_FD("cut", ftruncate, (int fd, off_t length), (fd, length))
ON_FD("cut", ftruncate64, (int fd, off_t length), (fd, length))

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    if (path_fails("rename", to)) FAIL;
    return real(from, to);
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    struct stat there;
    if (lstat(path, &there) && path_fails("folder", path)) FAIL;
    return real(path, mode);
}

int symlink(const char *to, const char *path) {
    REAL(int, "symlink", const char *, const char *);
    if (path_fails("link", path)) FAIL;
    return real(to, path);
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    struct stat there;
    if (!lstat(path, &there) && path_fails("remove", path)) FAIL;
    return real(path);
}

static int create_fails(const char *path, int flags) {
    struct stat there;
    return (flags & O_CREAT) && lstat(path, &there) && path_fails("create", path);
}

#define OPEN(name)                                                           \
    int name(const char *path, int flags, ...) {                             \
        REAL(int, #name, const char *, int, ...);                            \
        va_list more;                                                        \
        va_start(more, flags);                                               \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                                        \
        if (create_fails(path, flags)) FAIL;                                 \
        return real(path, flags, mode);                                      \
    }
OPEN(open)
OPEN(open64)

int clock_gettime(clockid_t which, struct timespec *now) {
    int answer = (int)syscall(SYS_clock_gettime, which, now);
    if (answer == 0 && which == CLOCK_REALTIME && clock_file) {
        char text[32] = "";
        int kept = errno, from = (int)syscall(SYS_openat, AT_FDCWD, clock_file, O_RDONLY | O_CLOEXEC, 0);
        if (from >= 0) {
            syscall(SYS_read, from, text, sizeof text - 1);
            syscall(SYS_close, from);
        }
        errno = kept;
        now->tv_sec += atol(text);
    }
    return answer;
}
