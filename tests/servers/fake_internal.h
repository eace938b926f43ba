/* What the files of the fake server share.  All of it is under fake->lock. */
#ifndef SERVERS_FAKE_INTERNAL_H
#define SERVERS_FAKE_INTERNAL_H

#include <pthread.h>

#include "fake_server.h"

enum { FAKE_TEXT = 96, FAKE_WORDS = 64, FAKE_LATERS = 8 };

struct fake_bytes {
	char *at;
	size_t n, cap;
};

/* As realloc; no memory, no test. */
void *fake__memory(void *old, size_t bytes);
void fake__append(struct fake_bytes *bytes, const void *more, size_t n);
__attribute__((format(printf, 2, 3))) void fake__print(struct fake_bytes *bytes,
						       const char *format, ...);
void fake__free(struct fake_bytes *bytes);

/* What shall happen when a connection has sent so many bytes. */
enum fake_mark_kind {
	MARK_PIECE, /* go on when they were read */
	MARK_HOLD,
	MARK_DELAY, /* until fake->commands is count */
	MARK_CUT,
	MARK_RESET,
	MARK_STALL
};

struct fake_mark {
	uint64_t at;
	/*
	 * PIECE: the turn that came here, or 0; HOLD: 1 when released; DELAY:
	 * the commands to wait for.
	 */
	uint64_t count;
	uint32_t tries; /* of PIECE */
	enum fake_mark_kind kind;
};

struct fake_later {
	struct fake_bytes reply;
	int64_t left; /* replies before it */
};

struct fake_conn {
	int fd; /* -1: none */
	uint32_t number;
	struct fake_bytes in, out, last;
	size_t in_head, out_head; /* what is before is done */
	uint64_t received, sent;  /* of all bytes */
	struct fake_mark *marks;
	size_t marks_head, n_marks, cap_marks;
	struct fake_later later[FAKE_LATERS];
	uint32_t step; /* of the script */
	int trusted;   /* has the password */
	int finished;  /* takes no more commands */
	int deaf;      /* nor any bytes */
	int blocked;   /* the kernel takes no more now */
	int held;
};

/* Words of a request, within the connection's input. */
struct fake_request {
	const char *word[FAKE_WORDS];
	size_t bytes[FAKE_WORDS];
	size_t n;
	char text[FAKE_TEXT];
};

struct fake_entry {
	char *key, *value;
	size_t key_bytes, value_bytes;
};

struct fake {
	pthread_mutex_t lock;
	pthread_cond_t turned;
	pthread_t thread;
	int listener, wake, port, port_holder;
	int stop, refuse, manual, script, full;
	int fillers[2]; /* connections that fill the queue of the port */
	const struct fake_rule *rules;
	uint64_t matched[FAKE_RULES];
	const struct fake_slots *slots;
	size_t n_slots;
	char *path, *password;
	struct fake_conn conns[FAKE_CONNECTIONS];
	struct fake_entry *entries;
	size_t n_entries;
	char (*log)[FAKE_TEXT];
	uint64_t commands, cap_log;
	uint64_t accepted, turn;
	char complaint[160];
};

__attribute__((format(printf, 3, 4))) void
fake__complain(struct fake *fake, const struct fake_conn *conn,
	       const char *format, ...);

/*
 * One request at the begin of in: its bytes, 0 (incomplete) or -1 (none at
 * all, why says so).
 */
long long fake__parse(const char *in, size_t n, struct fake_request *request,
		      const char **why);

/* 1: the command begins with these words. */
int fake__matches(const char *text, const char *on);

/* The reply of a Redis that works. */
void fake__serve(struct fake *fake, struct fake_conn *conn,
		 const struct fake_request *request, struct fake_bytes *reply);

struct fake_entry *fake__find(struct fake *fake, const char *key, size_t bytes);
void fake__set(struct fake *fake, const char *key, size_t key_bytes,
	       const void *value, size_t bytes);

/* The rule for a command or an event, or NULL. */
const struct fake_rule *fake__rule(struct fake *fake, struct fake_conn *conn,
				   const char *text);

/* Bytes that the connection may receive before a rule wants to know. */
size_t fake__may_receive(const struct fake *fake, const struct fake_conn *conn,
			 size_t n);
const struct fake_rule *fake__rule_of_bytes(const struct fake *fake,
					    const struct fake_conn *conn);

/* Sends the reply, or what the rule makes of it; takes it over. */
void fake__reply(struct fake *fake, struct fake_conn *conn,
		 const struct fake_rule *rule, struct fake_bytes *reply);

/* Reads, serves and sends what can be; 1: waits for the client to read. */
int fake__conn_turn(struct fake *fake, struct fake_conn *conn, int readable);
void fake__conn_open(struct fake *fake, int fd);
void fake__conn_close(struct fake_conn *conn, int reset);
void fake__mark(struct fake_conn *conn, enum fake_mark_kind kind, uint64_t at,
		uint64_t count);

/* 1: the other side has read all that was sent, or nobody can tell. */
int fake__was_read(int fd);

#endif
