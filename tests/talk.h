/*
 * A few words with a Redis server over a plain blocking socket, for tools and
 * tests that must not depend on the client under test.
 *
 *   int fd = talk_tcp("127.0.0.1", port);
 *   talk_line(fd, "SET key value");
 *   talk_reply(fd, reply, sizeof(reply));     reply is "+OK\r\n"
 *
 * Replies are the bytes of the wire, for tests to compare with literal ones.
 * A socket that stays silent for TALK_HANG_MS fails: a hang bound, no
 * measurement.
 */
#ifndef TESTS_TALK_H
#define TESTS_TALK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum { TALK_HANG_MS = 60000 };

/* Milliseconds of the monotonic clock. */
int64_t talk_now_ms(void);

/*
 * Until the process has ended, or it is time to ask it again.  What another
 * process is about (it answers, it has so many values) can only be asked:
 * whoever waits for it asks again, with a hang bound.  No outcome depends on
 * the length.
 */
void talk_watch(pid_t pid);

/* A connected socket, or -1 with errno.  host: "127.0.0.1" or "::1". */
int talk_tcp(const char *host, int port);
int talk_unix(const char *path);

/* All of it: 0, or -1 (the other side is gone). */
int talk_send(int fd, const void *bytes, size_t n);

/* An inline command: words with blanks between, no CRLF. */
int talk_line(int fd, const char *line);

/* An array of bulk strings, as clients send it. */
int talk_command(int fd, const char *const *words, size_t n);
int talk_args(int fd, const struct iovec *args, size_t n);

/* n bytes exactly: 0, or -1 (closed before, or silent for too long). */
int talk_read(int fd, void *bytes, size_t n);

/* 1: the other side has closed or reset; 0: it sent something, or hangs. */
int talk_closed(int fd);

/*
 * One whole RESP2 reply and no byte of the next, with a zero at its end.
 * Returns its length, or -1: closed, silent for too long, longer than cap - 1
 * or no RESP2; what was read until then stands in reply.
 */
ssize_t talk_reply(int fd, char *reply, size_t cap);

#endif
