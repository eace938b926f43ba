/*
 * A table of a host whose strings the test pulls: what it takes, what it
 * hands out and what it says.
 */
#ifndef TESTS_STORE_PUPPET_H
#define TESTS_STORE_PUPPET_H

#include <stdlib.h>
#include <string.h>

#include <aibrix/backend.h>

#include "store_tools.h"

enum { PUPPET_IOS = 64 };

struct puppet {
	/* What it was handed, and has not been let go of. */
	aibrix_io ios[PUPPET_IOS];
	uint32_t n;
	uint32_t submits, polls; /* calls */
	uint64_t canceled[PUPPET_IOS];
	uint32_t cancels;
	int closed;
	/* What it does. */
	uint32_t takes; /* of each submit at most */
	int refuses;    /* status of submit */
	int poll_status;
	uint32_t lies; /* added to the count of poll */
	uint64_t wake_ns;
	aibrix_done dones[PUPPET_IOS];
	uint32_t n_dones;
	const aibrix_backend_conf *conf;
};

static inline int
puppet_open(const aibrix_backend_conf *conf, void **backend)
{
	struct puppet *p;

	memcpy(&p, conf->opts, sizeof(p));
	p->conf = conf;
	*backend = p;
	return p->refuses;
}

static inline int
puppet_submit(void *backend, const aibrix_io *ios, uint32_t n, uint64_t now_ns,
	      uint32_t *accepted)
{
	struct puppet *p = backend;

	(void)now_ns;
	p->submits++;
	*accepted = n < p->takes ? n : p->takes;
	for (uint32_t i = 0; !p->refuses && i < *accepted; i++) {
		if (p->n == PUPPET_IOS)
			abort();
		p->ios[p->n++] = ios[i];
	}
	return p->refuses;
}

static inline int
puppet_poll(void *backend, aibrix_done *dones, uint32_t cap, uint64_t now_ns,
	    uint64_t timeout_ns, uint32_t *n)
{
	struct puppet *p = backend;
	uint32_t some = p->n_dones < cap ? p->n_dones : cap;

	(void)now_ns;
	(void)timeout_ns;
	p->polls++;
	if (some)
		memcpy(dones, p->dones, some * sizeof(*dones));
	p->n_dones -= some;
	memmove(p->dones, p->dones + some, p->n_dones * sizeof(*dones));
	*n = some + p->lies;
	return p->poll_status;
}

static inline void
puppet_close(void *backend)
{
	struct puppet *p = backend;

	p->closed++;
}

static inline void
puppet_cancel(void *backend, uint64_t tag)
{
	struct puppet *p = backend;

	p->canceled[p->cancels++] = tag;
}

static inline uint64_t
puppet_wake(const void *backend)
{
	const struct puppet *p = backend;

	return p->wake_ns;
}

/* Only what a table must have. */
static inline aibrix_backend
puppet_table(void)
{
	return (aibrix_backend){.size = sizeof(aibrix_backend),
				.open = puppet_open,
				.submit = puppet_submit,
				.poll = puppet_poll,
				.close = puppet_close};
}

static inline struct puppet
new_puppet(void)
{
	return (struct puppet){.takes = PUPPET_IOS, .wake_ns = AIBRIX_FOREVER};
}

/* table must outlive the store. */
static inline int
puppet_store(struct puppet *p, const aibrix_backend *table,
	     aibrix_store_opts opts, aibrix_store **store)
{
	opts.size = sizeof(opts);
	opts.backend = AIBRIX_BACKEND_USER;
	opts.user = table;
	opts.backend_opts = &p;
	if (!opts.max_inflight)
		opts.max_inflight = 16;
	return aibrix_store_open(&opts, store);
}

/* The i-th request that it has is done; the next poll hands that out. */
static inline void
puppet_end(struct puppet *p, uint32_t i, int32_t status, uint64_t bytes)
{
	if (i >= p->n || p->n_dones == PUPPET_IOS)
		abort();
	p->dones[p->n_dones++] = (aibrix_done){
		.tag = p->ios[i].tag, .status = status, .bytes = bytes};
	p->n--;
	memmove(p->ios + i, p->ios + i + 1, (p->n - i) * sizeof(*p->ios));
}

/* The same for a GET, with this value as far as there is memory for it. */
static inline void
puppet_end_get(struct puppet *p, uint32_t i, const char *value)
{
	const aibrix_io *io = &p->ios[i];
	uint64_t left = strlen(value), bytes = left;

	for (uint32_t k = 0; k < io->n_iov && left; k++) {
		uint64_t some = io->iov[k].bytes;

		if (some > left)
			some = left;
		if (some)
			memcpy(io->iov[k].base, value, some);
		value += some;
		left -= some;
	}
	puppet_end(p, i, left ? AIBRIX_E_SPACE : AIBRIX_OK, bytes);
}

#endif
