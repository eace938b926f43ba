/*
 * A loop over poll(), in a thread or in the test's own.
 *
 * All state is under one lock.  Only the loop touches sockets: calls of the
 * test change state and wake it, for a socket that one thread closes while
 * another polls it stays open until that one returns.
 */

/* POLLRDHUP: a client that closes is noticed though nobody reads. */
#define _GNU_SOURCE

#include "fake_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "redis_internal.h"

enum { FIXED = 2, BACKLOG = 64, PIECE_MS = 1 };

struct polled {
	struct pollfd fds[FIXED + FAKE_CONNECTIONS];
	uint32_t done;   /* events of the last pass */
	uint32_t pieces; /* connections that wait to be read */
};

static void
wake(struct fake *fake)
{
	const uint64_t one = 1;

	if (write(fake->wake, &one, sizeof(one)) < 0)
		abort();
}

static int
listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		abort();
	memcpy(address.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, BACKLOG))
		abort();
	return fd;
}

static int
listen_tcp(int port, int backlog)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, backlog))
		abort();
	return fd;
}

/*
 * The queue of a port that nobody accepts from has room for backlog + 1: these
 * two fill it, the one or the other, and the next one is not answered.
 */
static void
queue_fill(struct fake *fake)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)fake->port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < 2; i++) {
		fake->fillers[i] = socket(
			AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (connect(fake->fillers[i], (const struct sockaddr *)&address,
			    sizeof(address)) &&
		    errno != EINPROGRESS)
			abort();
	}
}

static void
listener_turn(struct fake *fake)
{
	if (fake->refuse && fake->listener >= 0) {
		close(fake->listener);
		if (fake->path)
			unlink(fake->path);
		fake->listener = -1;
	} else if (!fake->refuse && fake->listener < 0) {
		fake->listener = fake->path
					 ? listen_unix(fake->path)
					 : listen_tcp(fake->port,
						      fake->full ? 0 : BACKLOG);
	}
}

static void
polled_fill(const struct fake *fake, struct polled *polled)
{
	polled->fds[0] = (struct pollfd){.fd = fake->wake, .events = POLLIN};
	polled->fds[1] = (struct pollfd){.fd = fake->full ? -1 : fake->listener,
					 .events = POLLIN};
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++) {
		const struct fake_conn *conn = &fake->conns[i];
		short events = conn->deaf ? POLLRDHUP : POLLIN;

		if (conn->blocked)
			events |= POLLOUT;
		polled->fds[FIXED + i] =
			(struct pollfd){.fd = conn->fd, .events = events};
	}
}

/*
 * One pass over the connections.  While something happens there is another
 * one: a command may have ended the delay of a connection before its own.
 */
static void
polled_serve(struct fake *fake, struct polled *polled)
{
	const short in = POLLIN | POLLRDHUP | POLLHUP | POLLERR;
	uint64_t woken;

	polled->done = polled->pieces = 0;
	if (polled->fds[0].revents)
		polled->done += read(fake->wake, &woken, sizeof(woken)) > 0;
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++) {
		const struct pollfd *fd = &polled->fds[FIXED + i];

		polled->done += fd->revents != 0;
		if (fake->conns[i].fd >= 0)
			polled->pieces += (uint32_t)fake__conn_turn(
				fake, &fake->conns[i], fd->revents & in);
	}
	/* Behind them, or a new one would take part in an old poll. */
	if (polled->fds[1].revents) {
		int fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			fake__conn_open(fake, fd);
		polled->done++;
	}
	listener_turn(fake);
}

static void *
loop(void *arg)
{
	struct fake *fake = arg;
	struct polled polled = {.done = 0};

	pthread_mutex_lock(&fake->lock);
	while (!fake->stop) {
		polled_fill(fake, &polled);
		pthread_mutex_unlock(&fake->lock);
		poll(polled.fds, FIXED + FAKE_CONNECTIONS,
		     polled.done     ? 0
		     : polled.pieces ? PIECE_MS
				     : -1);
		pthread_mutex_lock(&fake->lock);
		fake->turn++;
		polled_serve(fake, &polled);
		pthread_cond_broadcast(&fake->turned);
	}
	pthread_mutex_unlock(&fake->lock);
	return NULL;
}

void
fake_turn(struct fake *fake)
{
	struct polled polled;

	fake->turn++;
	do {
		polled_fill(fake, &polled);
		poll(polled.fds, FIXED + FAKE_CONNECTIONS, 0);
		polled_serve(fake, &polled);
	} while (polled.done > 0);
}

/* Until somebody sends something, or it is time for another turn: delays are
 * counted in turns. */
static void
fake_watch(const struct fake *fake)
{
	enum { TURN_MS = 3 };
	struct polled polled;

	polled_fill(fake, &polled);
	poll(polled.fds, FIXED + FAKE_CONNECTIONS, TURN_MS);
}

static char *
copy_of(const char *text)
{
	size_t n = text ? strlen(text) + 1 : 0;

	return text ? memcpy(fake__memory(NULL, n), text, n) : NULL;
}

/* Counts are kept for so many. */
static const struct fake_rule *
rules_checked(const struct fake_rule *rules)
{
	size_t n = 0;

	while (rules && rules[n].on)
		if (++n > FAKE_RULES)
			abort();
	return rules;
}

struct fake *
fake_start(const struct fake_opts *opts)
{
	static const struct fake_opts plain;
	struct fake *fake = fake__memory(NULL, sizeof(*fake));
	pthread_condattr_t monotonic;

	opts = opts ? opts : &plain;
	memset(fake, 0, sizeof(*fake));
	pthread_mutex_init(&fake->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&fake->turned, &monotonic);
	pthread_condattr_destroy(&monotonic);
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
		fake->conns[i].fd = -1;
	fake->listener = fake->port_holder = -1;
	fake->manual = opts->manual;
	fake->script = opts->script;
	fake->full = opts->full;
	fake->rules = rules_checked(opts->rules);
	fake->slots = opts->slots;
	fake->n_slots = opts->n_slots;
	fake->path = copy_of(opts->path);
	fake->password = copy_of(opts->password);
	if (!fake->path)
		fake->port = redis__port(&fake->port_holder);
	fake->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	listener_turn(fake);
	if (fake->full)
		queue_fill(fake);
	if (!fake->manual &&
	    pthread_create(&fake->thread, NULL, loop, fake) != 0)
		abort();
	return fake;
}

void
fake_stop(struct fake *fake)
{
	if (!fake->manual) {
		pthread_mutex_lock(&fake->lock);
		fake->stop = 1;
		wake(fake);
		pthread_mutex_unlock(&fake->lock);
		pthread_join(fake->thread, NULL);
	}
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
		fake__conn_close(&fake->conns[i], 0);
	fake->refuse = 1;
	listener_turn(fake);
	for (size_t i = 0; i < fake->n_entries; i++) {
		free(fake->entries[i].key);
		free(fake->entries[i].value);
	}
	close(fake->wake);
	for (size_t i = 0; fake->full && i < 2; i++)
		close(fake->fillers[i]);
	if (fake->port_holder >= 0)
		close(fake->port_holder);
	pthread_cond_destroy(&fake->turned);
	pthread_mutex_destroy(&fake->lock);
	free(fake->entries);
	free(fake->log);
	free(fake->path);
	free(fake->password);
	free(fake);
}

int
fake_port(const struct fake *fake)
{
	return fake->port;
}

void
fake_set_rules(struct fake *fake, const struct fake_rule *rules)
{
	pthread_mutex_lock(&fake->lock);
	fake->rules = rules_checked(rules);
	memset(fake->matched, 0, sizeof(fake->matched));
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
		fake->conns[i].step = 0;
	pthread_mutex_unlock(&fake->lock);
}

void
fake_set_slots(struct fake *fake, const struct fake_slots *slots, size_t n)
{
	pthread_mutex_lock(&fake->lock);
	fake->slots = slots;
	fake->n_slots = n;
	pthread_mutex_unlock(&fake->lock);
}

/* What the test wants is done by the loop: now, or by the next turn. */
static void
unlock_and_wake(struct fake *fake)
{
	wake(fake);
	pthread_mutex_unlock(&fake->lock);
}

void
fake_release(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++) {
		struct fake_conn *conn = &fake->conns[i];

		if (conn->fd >= 0 && conn->held)
			conn->marks[conn->marks_head].count = 1;
		conn->held = 0;
	}
	unlock_and_wake(fake);
}

void
fake_push(struct fake *fake, uint32_t conn, const void *bytes, size_t n)
{
	pthread_mutex_lock(&fake->lock);
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
		if (fake->conns[i].fd >= 0 &&
		    (conn == 0 || fake->conns[i].number == conn))
			fake__append(&fake->conns[i].out, bytes, n);
	unlock_and_wake(fake);
}

void
fake_hang_up(struct fake *fake, uint32_t conn, int reset)
{
	pthread_mutex_lock(&fake->lock);
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
		if (fake->conns[i].fd >= 0 &&
		    (conn == 0 || fake->conns[i].number == conn))
			fake__mark(&fake->conns[i],
				   reset ? MARK_RESET : MARK_CUT, 0, 0);
	unlock_and_wake(fake);
}

int
fake_get(struct fake *fake, const void *key, size_t key_bytes, void *value,
	 size_t cap, size_t *bytes)
{
	const struct fake_entry *entry;

	pthread_mutex_lock(&fake->lock);
	entry = fake__find(fake, key, key_bytes);
	if (entry) {
		*bytes = entry->value_bytes;
		memcpy(value, entry->value, *bytes < cap ? *bytes : cap);
	}
	pthread_mutex_unlock(&fake->lock);
	return entry != NULL;
}

void
fake_put(struct fake *fake, const void *key, size_t key_bytes,
	 const void *value, size_t bytes)
{
	pthread_mutex_lock(&fake->lock);
	fake__set(fake, key, key_bytes, value, bytes);
	pthread_mutex_unlock(&fake->lock);
}

static uint64_t
count(const struct fake *fake, const char *on)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < fake->commands; i++)
		n += (uint64_t)fake__matches(fake->log[i], on);
	return n;
}

static uint64_t
count_open(const struct fake *fake, const char *on)
{
	uint64_t n = 0;

	(void)on;
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
		n += fake->conns[i].fd >= 0;
	return n;
}

static uint64_t
count_held(const struct fake *fake, const char *on)
{
	uint64_t n = 0;

	(void)on;
	for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
		n += fake->conns[i].fd >= 0 && fake->conns[i].held;
	return n;
}

static uint64_t
locked_count(struct fake *fake, const char *on,
	     uint64_t (*of)(const struct fake *, const char *))
{
	uint64_t n;

	pthread_mutex_lock(&fake->lock);
	n = of(fake, on);
	pthread_mutex_unlock(&fake->lock);
	return n;
}

uint64_t
fake_count(struct fake *fake, const char *on)
{
	return locked_count(fake, on, count);
}

uint64_t
fake_open(struct fake *fake)
{
	return locked_count(fake, NULL, count_open);
}

uint64_t
fake_accepted(struct fake *fake)
{
	uint64_t n;

	pthread_mutex_lock(&fake->lock);
	n = fake->accepted;
	pthread_mutex_unlock(&fake->lock);
	return n;
}

void
fake_command(struct fake *fake, uint64_t i, char text[96])
{
	pthread_mutex_lock(&fake->lock);
	text[0] = 0;
	if (i < fake->commands)
		memcpy(text, fake->log[i], FAKE_TEXT);
	pthread_mutex_unlock(&fake->lock);
}

void
fake_complaint(struct fake *fake, char text[160])
{
	pthread_mutex_lock(&fake->lock);
	memcpy(text, fake->complaint, sizeof(fake->complaint));
	pthread_mutex_unlock(&fake->lock);
}

/* Until the number is n, or at least n. */
static int
wait_until(struct fake *fake, const char *on, uint64_t n, int at_least,
	   uint64_t (*of)(const struct fake *, const char *))
{
	int64_t end = talk_now_ms() + TALK_HANG_MS;
	const struct timespec last = {end / 1000, 0};
	uint64_t now;

	pthread_mutex_lock(&fake->lock);
	while ((now = of(fake, on)) != n && !(at_least && now > n)) {
		if (talk_now_ms() >= end)
			break;
		if (!fake->manual) {
			pthread_cond_timedwait(&fake->turned, &fake->lock,
					       &last);
			continue;
		}
		pthread_mutex_unlock(&fake->lock);
		fake_turn(fake);
		fake_watch(fake);
		pthread_mutex_lock(&fake->lock);
	}
	pthread_mutex_unlock(&fake->lock);
	return now == n || (at_least && now > n);
}

int
fake_wait_count(struct fake *fake, const char *on, uint64_t n)
{
	return wait_until(fake, on, n, 1, count);
}

int
fake_wait_open(struct fake *fake, uint64_t n)
{
	return wait_until(fake, NULL, n, 0, count_open);
}

int
fake_wait_held(struct fake *fake, uint64_t n)
{
	return wait_until(fake, NULL, n, 1, count_held);
}

static uint64_t
count_listeners(const struct fake *fake, const char *on)
{
	(void)on;
	return fake->listener >= 0;
}

void
fake_refuse(struct fake *fake, int on)
{
	pthread_mutex_lock(&fake->lock);
	fake->refuse = on;
	unlock_and_wake(fake);
	wait_until(fake, NULL, on ? 0 : 1, 0, count_listeners);
}
