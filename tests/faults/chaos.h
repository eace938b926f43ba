/*
 * A server with bad luck, in a process of its own: killed, stalled, cut off,
 * emptied, restarted, locked, at random and one after the other, until it is
 * told to have a rest.
 */
#ifndef TESTS_FAULTS_CHAOS_H
#define TESTS_FAULTS_CHAOS_H

#include <stdint.h>
#include <sys/types.h>

enum {
	CHAOS_KILL = 0,
	CHAOS_STALL = 1,
	CHAOS_DISCONNECT = 2,
	CHAOS_PULL_CABLE = 3,
	CHAOS_LOSE_PACKETS = 4,
	CHAOS_NO_MEMORY = 5,
	CHAOS_READ_ONLY = 6,
	CHAOS_LOCK = 7,
	CHAOS_KINDS = 8
};
enum { CHAOS_ALL = (1 << CHAOS_KINDS) - 1 };

extern const char *const chaos_names[CHAOS_KINDS];

struct chaos_shared {
	int port;
	char reason[600];
	uint64_t done[CHAOS_KINDS];
};

struct chaos {
	pid_t pid;
	int ask, answer;  /* pipes */
	const char *host; /* where the server is */
	struct chaos_shared *shared;
};

/* kinds: bits 1 << CHAOS_*.  0; or a status of redis_start with
 * shared->reason.  Calm at first. */
int chaos_start(struct chaos *chaos, uint64_t seed, uint32_t kinds);

/* Go on, from now. */
void chaos_go(struct chaos *chaos);

/* Ask for calm; then chaos_is_calm says when all works again.  -1: the other
 * process has given up, for shared->reason. */
void chaos_calm(struct chaos *chaos);
int chaos_is_calm(struct chaos *chaos);

void chaos_stop(struct chaos *chaos);

#endif
