// Loaded before libc (LD_PRELOAD): notes, in the order in which it happens, what a process does to the files below POWER_CUT_DATA and
// the replies that it sends, in the file POWER_CUT_LOG. A change is noted once it is done, a sync before and after, a reply before it
// leaves. Each note is one append: whole, whoever else appends. The index of the WAL (-shm) is memory, not data, and left out.
// Calls the kernel by number and nothing of libc that it replaces.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static size_t rootLength;
static int logFd = -1;
static _Atomic uint32_t syncs;

struct note {
  uint32_t kind, pathLength, dataLength, unused;
  uint64_t inode, at;
};

__attribute__((constructor)) static void begin(void) {
  const char *data = getenv("POWER_CUT_DATA"), *path = getenv("POWER_CUT_LOG");
  if (!data || !path || strlen(data) >= sizeof root) return;
  int fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  // Far from the numbers that programs expect to be free.
  logFd = fcntl(fd, F_DUPFD_CLOEXEC, 700);
  syscall(SYS_close, fd);
  strcpy(root, data);
  rootLength = strlen(root);
}

static void note(char kind, uint64_t inode, uint64_t at, const char *path, const struct iovec *data, int parts, size_t length) {
  int saved = errno;
  struct iovec all[parts + 2];
  struct note head = {(uint32_t)kind, path ? strlen(path) : 0, length, 0, inode, at};
  all[0] = (struct iovec){&head, sizeof head};
  all[1] = (struct iovec){(void *)path, head.pathLength};
  int used = 2;
  for (int i = 0; i < parts && length > 0; i++) {
    size_t take = data[i].iov_len < length ? data[i].iov_len : length;
    all[used++] = (struct iovec){data[i].iov_base, take};
    length -= take;
  }
  size_t whole = sizeof head + head.pathLength + head.dataLength;
  if ((size_t)syscall(SYS_writev, logFd, all, used) != whole) {
    static const char text[] = "power-cut shim: the log cannot be written\n";
    syscall(SYS_write, 2, text, sizeof text - 1);
    abort();
  }
  errno = saved;
}

static int isWatched(const char *path) {
  if (logFd < 0 || strncmp(path, root, rootLength) != 0) return 0;
  if (path[rootLength] != '\0' && path[rootLength] != '/') return 0;
  size_t length = strlen(path);
  return length < 4 || strcmp(path + length - 4, "-shm") != 0;
}

/** The path behind a descriptor, when it is watched. */
static int watchedFd(int fd, char *path, struct stat *found) {
  if (logFd < 0) return 0;
  int saved = errno;
  char link[40];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
  if (length > 0) path[length] = '\0';
  int watched = length > 0 && isWatched(path) && fstat(fd, found) == 0;
  errno = saved;
  return watched;
}

/** The absolute path of a name, when it is watched. */
static int watchedAt(int folder, const char *name, char *path) {
  if (logFd < 0) return 0;
  if (name[0] == '/') snprintf(path, PATH_MAX, "%s", name);
  else {
    char base[PATH_MAX] = "", link[40];
    if (folder == AT_FDCWD) strcpy(link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    int saved = errno;
    if (syscall(SYS_readlinkat, AT_FDCWD, link, base, PATH_MAX - 1) < 0) base[0] = '\0';
    errno = saved;
    if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return 0;
  }
  return isWatched(path);
}

static int openIt(int folder, const char *name, int flags, mode_t mode) {
  char path[PATH_MAX];
  struct stat found;
  int saved = errno;
  int isNew = (flags & O_CREAT) && syscall(SYS_faccessat, folder, name, F_OK) != 0;
  errno = saved;
  int fd = syscall(SYS_openat, folder, name, flags, mode);
  if (fd >= 0 && (isNew || (flags & O_TRUNC)) && watchedFd(fd, path, &found)) {
    if (isNew) note('c', found.st_ino, 0, path, NULL, 0, 0);
    else note('s', found.st_ino, 0, path, NULL, 0, 0);
  }
  return fd;
}

#define MODE mode_t mode = 0; if (flags & (O_CREAT | __O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, int); va_end(more); }
int open(const char *name, int flags, ...) { MODE return openIt(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { MODE return openIt(AT_FDCWD, name, flags, mode); }
int openat(int folder, const char *name, int flags, ...) { MODE return openIt(folder, name, flags, mode); }
int openat64(int folder, const char *name, int flags, ...) { MODE return openIt(folder, name, flags, mode); }
int creat(const char *name, mode_t mode) { return openIt(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode); }
int creat64(const char *name, mode_t mode) { return creat(name, mode); }

static void noteWrite(int fd, int64_t at, const struct iovec *data, int parts, ssize_t done) {
  char path[PATH_MAX];
  struct stat found;
  if (done <= 0 || !watchedFd(fd, path, &found)) return;
  if (at < 0) at = syscall(SYS_lseek, fd, 0, SEEK_CUR) - done;
  note('w', found.st_ino, at, NULL, data, parts, done);
}

/** A reply of SMTP begins with three digits; the port says to whom it goes. */
static void noteReply(int fd, const struct iovec *data, int parts) {
  if (logFd < 0 || parts < 1 || data[0].iov_len < 4) return;
  const unsigned char *text = data[0].iov_base;
  for (int i = 0; i < 3; i++) if (text[i] < '0' || text[i] > '9') return;
  int saved = errno;
  union { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } peer;
  socklen_t size = sizeof peer;
  if (getpeername(fd, &peer.any, &size) == 0 && (peer.any.sa_family == AF_INET || peer.any.sa_family == AF_INET6)) {
    size_t length = 0;
    for (int i = 0; i < parts; i++) length += data[i].iov_len;
    uint16_t port = peer.any.sa_family == AF_INET ? peer.v4.sin_port : peer.v6.sin6_port;
    note('R', 0, ntohs(port), NULL, data, parts, length < 512 ? length : 512);
  }
  errno = saved;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
  ssize_t done = syscall(SYS_pwrite64, fd, bytes, length, at);
  struct iovec data = {(void *)bytes, length};
  noteWrite(fd, at, &data, 1, done);
  return done;
}
ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) { return pwrite(fd, bytes, length, at); }

ssize_t pwritev(int fd, const struct iovec *data, int parts, off_t at) {
  ssize_t done = syscall(SYS_pwritev, fd, data, parts, (long)at, 0L);
  noteWrite(fd, at, data, parts, done);
  return done;
}
ssize_t pwritev64(int fd, const struct iovec *data, int parts, off_t at) { return pwritev(fd, data, parts, at); }

ssize_t write(int fd, const void *bytes, size_t length) {
  struct iovec data = {(void *)bytes, length};
  noteReply(fd, &data, 1);
  ssize_t done = syscall(SYS_write, fd, bytes, length);
  noteWrite(fd, -1, &data, 1, done);
  return done;
}

ssize_t writev(int fd, const struct iovec *data, int parts) {
  noteReply(fd, data, parts);
  ssize_t done = syscall(SYS_writev, fd, data, parts);
  noteWrite(fd, -1, data, parts, done);
  return done;
}

int ftruncate(int fd, off_t size) {
  int done = syscall(SYS_ftruncate, fd, size);
  char path[PATH_MAX];
  struct stat found;
  if (done == 0 && watchedFd(fd, path, &found)) note('s', found.st_ino, size, path, NULL, 0, 0);
  return done;
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

static int syncIt(long call, int fd) {
  char path[PATH_MAX];
  struct stat found;
  if (!watchedFd(fd, path, &found)) return syscall(call, fd);
  uint64_t token = (uint64_t)getpid() << 32 | atomic_fetch_add(&syncs, 1);
  note('B', found.st_ino, token, path, NULL, 0, 0);
  int done = syscall(call, fd);
  if (done == 0) note('E', found.st_ino, token, NULL, NULL, 0, 0);
  return done;
}
int fsync(int fd) { return syncIt(SYS_fsync, fd); }
int fdatasync(int fd) { return syncIt(SYS_fdatasync, fd); }

int renameat(int fromFolder, const char *from, int toFolder, const char *to) {
  int done = syscall(SYS_renameat2, fromFolder, from, toFolder, to, 0);
  char old[PATH_MAX], path[PATH_MAX];
  if (done == 0 && watchedAt(fromFolder, from, old) | watchedAt(toFolder, to, path)) {
    struct iovec data = {path, strlen(path)};
    note('r', 0, 0, old, &data, 1, data.iov_len);
  }
  return done;
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int folder, const char *name, int flags) {
  char path[PATH_MAX];
  int watched = watchedAt(folder, name, path);
  int done = syscall(SYS_unlinkat, folder, name, flags);
  if (done == 0 && watched) note('u', 0, 0, path, NULL, 0, 0);
  return done;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }
int remove(const char *name) {
  int done = unlink(name);
  return done != 0 && (errno == EISDIR || errno == EPERM) ? rmdir(name) : done;
}

int mkdirat(int folder, const char *name, mode_t mode) {
  char path[PATH_MAX];
  int done = syscall(SYS_mkdirat, folder, name, mode);
  if (done == 0 && watchedAt(folder, name, path)) note('d', 0, 0, path, NULL, 0, 0);
  return done;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

/** Ways to change a file that nothing uses here: noted, so that the test fails when something begins to. */
static void noteUnknown(int fd, const char *call) {
  char path[PATH_MAX];
  struct stat found;
  struct iovec data = {(void *)call, strlen(call)};
  if (watchedFd(fd, path, &found)) note('X', found.st_ino, 0, path, &data, 1, data.iov_len);
}

void *mmap(void *where, size_t length, int protection, int flags, int fd, off_t at) {
  if (fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE)) noteUnknown(fd, "mmap");
  return (void *)syscall(SYS_mmap, where, length, protection, flags, fd, at);
}
void *mmap64(void *where, size_t length, int protection, int flags, int fd, off_t at) {
  return mmap(where, length, protection, flags, fd, at);
}
int fallocate(int fd, int mode, off_t at, off_t length) {
  noteUnknown(fd, "fallocate");
  return syscall(SYS_fallocate, fd, mode, at, length);
}
ssize_t copy_file_range(int from, off64_t *fromAt, int to, off64_t *toAt, size_t length, unsigned flags) {
  noteUnknown(to, "copy_file_range");
  return syscall(SYS_copy_file_range, from, fromAt, to, toAt, length, flags);
}
ssize_t sendfile(int to, int from, off_t *at, size_t length) {
  noteUnknown(to, "sendfile");
  return syscall(SYS_sendfile, to, from, at, length);
}
ssize_t sendfile64(int to, int from, off64_t *at, size_t length) { return sendfile(to, from, at, length); }
