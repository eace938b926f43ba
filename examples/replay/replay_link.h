/*
 * A shared store as one pod sees it through its network, in virtual time.
 *
 * Values are in a real store; when they arrive is modelled: a latency, a
 * bandwidth of each direction, and a fault.  The library sees a backend of
 * the host's own (AIBRIX_BACKEND_USER) with clock and deadlines like any
 * other, so that everything behind aibrix_store_submit is real.
 */
#ifndef REPLAY_LINK_H
#define REPLAY_LINK_H

#include <stdint.h>

#include <aibrix/store.h>

enum {
	REPLAY_FAULT_OFF = 0,  /* L2 is not modelled by a link */
	REPLAY_FAULT_NONE = 1, /* it is, and works */
	REPLAY_FAULT_SLOW = 2, /* a hundredth of the speed */
	REPLAY_FAULT_HANG = 3, /* no answer any more */
	REPLAY_FAULT_FLAP = 4  /* that for five seconds of every ten */
};

typedef struct replay_link_conf {
	aibrix_store *values;   /* borrowed */
	uint64_t value_bytes;   /* real, of one value at most */
	double modelled_bytes;  /* of one value on the link */
	double bytes_per_s;     /* each way */
	uint64_t latency_ns;    /* from sending to the first byte */
	uint32_t fault;         /* REPLAY_FAULT_* */
	uint64_t fault_from_ns; /* virtual */
	uint64_t *now_ns;       /* the virtual clock */
} replay_link_conf;

/* *out is owned: aibrix_store_free, before values.  A status. */
int replay_link_open(const replay_link_conf *conf, aibrix_store **out);

#endif
