/*
 * A server that speaks Redis' protocol and does wrong on request.
 *
 * Left alone it is a small Redis: one map in memory, and the commands that a
 * store sends.  Rules say where it deviates:
 *
 *   static const struct fake_rule rules[] = {
 *           {.on = "GET", .nth = 3, .act = FAKE_CUT, .n = 7},
 *           {.on = "SET", .act = FAKE_SAY, .text = "-OOM no memory\r\n"},
 *           {.on = "(accept)", .nth = 2, .act = FAKE_STALL},
 *           {0}};
 *   struct fake *fake = fake_start(&(struct fake_opts){.rules = rules});
 *
 *   ... a client works with 127.0.0.1:fake_port(fake) ...
 *   fake_stop(fake);
 *
 * The reply to the third GET ends after 7 bytes and with it the connection,
 * no SET succeeds, and the second connection is accepted and then ignored.
 *
 * It runs in a thread of its own, for clients that block; or, with manual, in
 * fake_turn, which a test calls between two polls of the client, so that
 * nothing happens at the same time.  Nothing waits for a clock: delays end when
 * a test says so or when other commands have come, and pieces are sent when
 * the one before was read (with manual: one in each turn).
 *
 * No function fails but for lack of memory or sockets, when it aborts; waits
 * give up after TALK_HANG_MS and return 0.
 */
#ifndef TESTS_FAKE_SERVER_H
#define TESTS_FAKE_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "talk.h"

enum fake_act {
	FAKE_SAY = 0, /* all of it, at once */
	FAKE_SPLIT,   /* in two pieces, the first of n bytes */
	FAKE_DRIP,    /* byte by byte, n of them and then the rest; 0: all */
	FAKE_HOLD,    /* n bytes; the rest after fake_release */
	FAKE_DELAY,   /* when n more commands have come, on any connection */
	FAKE_LATER,   /* behind the next n replies of the connection */
	FAKE_CUT,     /* n bytes, then the end of the stream */
	FAKE_RESET,   /* n bytes and, when they were read, a reset */
	FAKE_STALL,   /* n bytes, then it neither reads nor sends for ever */
	FAKE_SWALLOW, /* not at all; later replies come as if it had */
	FAKE_TWICE,   /* two times */
	FAKE_STALE,   /* instead: what the connection was told last, again */
	FAKE_LENGTH,  /* its length n more than it is, or text instead of it */
	FAKE_FLIP,    /* bit n of the reply is inverted */
	FAKE_FLIP_VALUE /* bit n of the bulk string's value is inverted */
};

enum { FAKE_FOREVER = -1 };
#define FAKE_ALL INT64_MAX

/* Where n counts bytes, a negative one counts from the end of the reply. */
struct fake_rule {
	/*
	 * The command, or its first words: "GET", "CLIENT SETNAME", "GET key";
	 * "*": any.  "(accept)": a connection has come; "(bytes)": one has
	 * sent nth bytes.  These two have no reply but text.
	 */
	const char *on;
	int64_t nth;       /* of its kind, from 1; 0: each */
	int64_t until;     /* up to this one; 0: that one; FAKE_FOREVER */
	enum fake_act act; /* what happens to the reply */
	int64_t n;
	const char *text;  /* instead of the reply; may be NULL */
	size_t text_bytes; /* 0: up to its zero */
	uint32_t conn;     /* on this connection only, from 1; 0: on any */
};

enum { FAKE_RULES = 64, FAKE_CONNECTIONS = 64 };

/* Slots first to last are served at 127.0.0.1:port, says CLUSTER SLOTS. */
struct fake_slots {
	int first, last, port;
};

struct fake_opts {
	const struct fake_rule *rules; /* the last one has on NULL; borrowed */
	/*
	 * 1: the rules are a script that each connection follows from the
	 * first to the last; nth and until mean nothing.  Any other command is
	 * a complaint, and resets the connection.
	 */
	int script;
	int manual;           /* 1: no thread; fake_turn */
	int full;             /* 1: to connect takes for ever; TCP only */
	const char *path;     /* Unix socket; NULL: a port of 127.0.0.1 */
	const char *password; /* without AUTH there is no service */
	const struct fake_slots *slots; /* borrowed */
	size_t n_slots;
};

struct fake;

struct fake *fake_start(const struct fake_opts *opts);
void fake_stop(struct fake *fake);
int fake_port(const struct fake *fake);

/* Does what can be done without waiting. */
void fake_turn(struct fake *fake);

/* Other rules or slots from now on; counts begin anew. */
void fake_set_rules(struct fake *fake, const struct fake_rule *rules);
void fake_set_slots(struct fake *fake, const struct fake_slots *slots,
		    size_t n);

/* Lets go what FAKE_HOLD holds now. */
void fake_release(struct fake *fake);

/* The port refuses from now on, or no more; connections stay. */
void fake_refuse(struct fake *fake, int on);

/* Bytes that nobody asked for, on a connection, or on all of them (0). */
void fake_push(struct fake *fake, uint32_t conn, const void *bytes, size_t n);

/* Ends a connection, or all of them (0). */
void fake_hang_up(struct fake *fake, uint32_t conn, int reset);

/*
 * What the map has, and what it shall have.  get: 1, or 0 and nothing; at most
 * cap bytes are copied, *bytes is what there is.
 */
int fake_get(struct fake *fake, const void *key, size_t key_bytes, void *value,
	     size_t cap, size_t *bytes);
void fake_put(struct fake *fake, const void *key, size_t key_bytes,
	      const void *value, size_t bytes);

/* Commands that came, among them those that no reply was sent to. */
uint64_t fake_count(struct fake *fake, const char *on);

/* The i-th command as text, from 0: "SET key ...", its first 95 bytes. */
void fake_command(struct fake *fake, uint64_t i, char text[96]);

uint64_t fake_accepted(struct fake *fake);
/* Connections that the client has not closed, nor we by a reset. */
uint64_t fake_open(struct fake *fake);

/* Wait until: n such commands came, n are open, n connections are held. */
int fake_wait_count(struct fake *fake, const char *on, uint64_t n);
int fake_wait_open(struct fake *fake, uint64_t n);
int fake_wait_held(struct fake *fake, uint64_t n);

/*
 * What a client did that no client should: no protocol, or no part of the
 * script.  Empty: nothing.
 */
void fake_complaint(struct fake *fake, char text[160]);

#endif
