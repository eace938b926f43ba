/*
 * A store around a store.
 *
 *	PUT   caller's memory -> sealed into a buffer of ours -> inner
 *	GET   inner -> head to us, the rest into the caller's memory
 *	            -> opened there, in place
 *
 * So a PUT never writes to the caller's memory, a GET needs no buffer, and
 * the bytes of a value are touched once more than without.  Only a GET with
 * as many parts as a request may have has no place for the head's, and goes
 * through a buffer too.
 *
 * The inner store is used by its public calls.  This store's front has
 * checked, bounded and joined requests; the inner one is given room enough
 * never to be the narrower of the two.
 */
#include "crypt/crypt_internal.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "base/alloc.h"
#include "base/versioned.h"

#define VALUE_MAX (UINT64_C(1) << 30)
#define BUFFER_DEFAULT (UINT64_C(64) << 20)

enum { INNER_INFLIGHT_MAX = 1 << 20, SLOT_ALIGN = 64 };

#define NO_SLOT UINT32_MAX

/* By tag. */
struct request {
	aibrix_io io; /* the caller's */
	aibrix_iov iov[AIBRIX_STORE_IOV_MAX];
	uint8_t head[AIBRIX_CRYPT_BYTES];
	uint64_t bytes; /* of the caller's memory */
	uint32_t slot;  /* NO_SLOT */
};

struct crypt {
	struct crypt_box box;
	aibrix_backend_conf conf;
	aibrix_store *inner;
	struct request *requests;
	uint8_t *slots;
	uint64_t slot_bytes;
	uint32_t n_slots, n_free;
	uint32_t *free; /* slots, a stack */
};

static uint64_t
iov_bytes(const aibrix_io *io)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < io->n_iov; i++)
		sum += io->iov[i].bytes;
	return sum;
}

static uint8_t *
slot_at(const struct crypt *c, uint32_t slot)
{
	return c->slots + slot * c->slot_bytes;
}

static int
slot_take(struct crypt *c, struct request *r)
{
	if (c->n_free == 0)
		return AIBRIX_E_FULL;
	r->slot = c->free[--c->n_free];
	return AIBRIX_OK;
}

static void
slot_give(struct crypt *c, struct request *r)
{
	if (r->slot != NO_SLOT)
		c->free[c->n_free++] = r->slot;
	r->slot = NO_SLOT;
}

static int
put_prepare(struct crypt *c, struct request *r, aibrix_io *io)
{
	uint8_t nonce[CRYPT_NONCE];
	int err = slot_take(c, r);

	if (err)
		return err;
	io->iov = r->iov;
	io->n_iov = 1;
	r->iov[0] = (aibrix_iov){slot_at(c, r->slot),
				 AIBRIX_CRYPT_BYTES + r->bytes};
	if (r->bytes > c->conf.value_bytes) {
		/* The inner store says no to anything as long as this. */
		io->n_iov = 2;
		r->iov[0].bytes = AIBRIX_CRYPT_BYTES + c->conf.value_bytes;
		r->iov[1] = (aibrix_iov){r->head, sizeof(r->head)};
		return AIBRIX_OK;
	}
	if (RAND_bytes(nonce, sizeof(nonce)) != 1) {
		ERR_clear_error();
		return AIBRIX_E_IO;
	}
	return aibrix__crypt_seal(&c->box, &r->io, r->bytes, nonce,
				  slot_at(c, r->slot));
}

static int
get_prepare(struct crypt *c, struct request *r, aibrix_io *io)
{
	int err = AIBRIX_OK;

	io->iov = r->iov;
	r->iov[0] = (aibrix_iov){r->head, sizeof(r->head)};
	if (r->io.n_iov < AIBRIX_STORE_IOV_MAX) {
		memcpy(r->iov + 1, r->io.iov, r->io.n_iov * sizeof(r->iov[0]));
		io->n_iov = r->io.n_iov + 1;
		return AIBRIX_OK;
	}
	err = slot_take(c, r);
	if (err)
		return err;
	io->n_iov = 2;
	r->iov[1] = (aibrix_iov){slot_at(c, r->slot),
				 r->bytes < c->conf.value_bytes
					 ? r->bytes
					 : c->conf.value_bytes};
	return AIBRIX_OK;
}

static int
request_send(struct crypt *c, const aibrix_io *from, uint64_t now_ns)
{
	struct request *r = &c->requests[from->tag];
	aibrix_io io = *from;
	uint32_t taken = 0;
	int err = AIBRIX_OK;

	r->io = *from;
	r->bytes = iov_bytes(from);
	r->slot = NO_SLOT;
	if (from->op == AIBRIX_STORE_PUT)
		err = put_prepare(c, r, &io);
	else if (from->op == AIBRIX_STORE_GET)
		err = get_prepare(c, r, &io);
	if (!err)
		err = aibrix_store_submit(c->inner, &io, 1, now_ns, &taken);
	if (!err && !taken)
		err = AIBRIX_E_FULL;
	if (err)
		slot_give(c, r);
	return err;
}

static void
stat_copy(struct crypt *c)
{
	aibrix_store_stat inner = {.size = sizeof(inner)};
	aibrix_backend_stat *stat = c->conf.stat;

	if (aibrix_store_stats(c->inner, &inner))
		return;
	stat->values = inner.values;
	stat->capacity_values = inner.capacity_values;
	stat->evictions = inner.evictions;
	stat->recovered = inner.recovered;
	stat->dropped = inner.dropped;
	stat->retries = inner.retries;
	stat->refused = inner.refused;
	stat->connects = inner.connects;
	stat->caps = aibrix_store_caps(c->inner);
}

static int
crypt_submit(void *backend, const aibrix_io *ios, uint32_t n, uint64_t now_ns,
	     uint32_t *accepted)
{
	struct crypt *c = backend;
	uint32_t sent = 0;
	int err = AIBRIX_OK;

	while (sent < n) {
		err = request_send(c, &ios[sent], now_ns);
		if (err)
			break;
		sent++;
	}
	if (!sent && err)
		return err;
	*accepted = sent;
	return AIBRIX_OK;
}

/* From the slot to the caller's parts; the slot held plaintext. */
static void
slot_scatter(struct crypt *c, const struct request *r, uint64_t len)
{
	uint8_t *from = slot_at(c, r->slot);
	uint64_t left = len;

	for (uint32_t i = 0; left > 0; i++) {
		const aibrix_iov *to = &r->io.iov[i];
		const uint64_t some = left < to->bytes ? left : to->bytes;

		if (some)
			memcpy(to->base, from + (len - left), some);
		left -= some;
	}
	OPENSSL_cleanse(from, len);
}

static void
get_finish(struct crypt *c, struct request *r, aibrix_done *done)
{
	const uint64_t len = done->bytes - AIBRIX_CRYPT_BYTES;

	if (done->status != AIBRIX_OK && done->status != AIBRIX_E_SPACE)
		return;
	if (done->bytes < AIBRIX_CRYPT_BYTES) { /* never one of ours */
		done->status = AIBRIX_E_CORRUPT;
		done->bytes = 0;
		return;
	}
	done->bytes = len;
	if (done->status == AIBRIX_E_SPACE)
		return;
	done->status =
		aibrix__crypt_open(&c->box, &r->io, r->head, r->iov + 1, len);
	if (done->status)
		done->bytes = 0;
	else if (r->slot != NO_SLOT)
		slot_scatter(c, r, len);
}

static void
request_finish(struct crypt *c, aibrix_done *done)
{
	struct request *r = &c->requests[done->tag];

	if (r->io.op == AIBRIX_STORE_GET) {
		get_finish(c, r, done);
	} else if (done->status == AIBRIX_OK &&
		   done->bytes >= AIBRIX_CRYPT_BYTES) {
		done->bytes -= AIBRIX_CRYPT_BYTES;
	} else if (done->status == AIBRIX_OK &&
		   r->io.op == AIBRIX_STORE_PROBE) {
		done->status = AIBRIX_E_CORRUPT;
		done->bytes = 0;
	}
	slot_give(c, r);
}

static int
crypt_poll(void *backend, aibrix_done *dones, uint32_t cap, uint64_t now_ns,
	   uint64_t timeout_ns, uint32_t *n)
{
	struct crypt *c = backend;
	int err =
		aibrix_store_poll(c->inner, dones, cap, now_ns, timeout_ns, n);

	if (err)
		return err;
	for (uint32_t i = 0; i < *n; i++)
		request_finish(c, &dones[i]);
	stat_copy(c);
	return AIBRIX_OK;
}

static int
crypt_fd(const void *backend)
{
	const struct crypt *c = backend;

	return aibrix_store_fd(c->inner);
}

static void
crypt_cancel(void *backend, uint64_t tag)
{
	struct crypt *c = backend;
	int err = aibrix_store_cancel(c->inner, tag);

	(void)err; /* it has ended: poll has it */
}

static uint64_t
crypt_wake(const void *backend)
{
	const struct crypt *c = backend;

	return aibrix_store_wake(c->inner);
}

static int
crypt_memory_add(void *backend, void *base, uint64_t bytes)
{
	struct crypt *c = backend;

	return aibrix_store_memory_add(c->inner, base, bytes);
}

static void
crypt_memory_remove(void *backend, void *base, uint64_t bytes)
{
	struct crypt *c = backend;

	aibrix_store_memory_remove(c->inner, base, bytes);
}

static uint32_t
crypt_nodes(const void *backend, aibrix_store_node *nodes, uint32_t cap)
{
	const struct crypt *c = backend;
	uint32_t n = 0;

	return aibrix_store_nodes(c->inner, nodes, cap, &n) ? 0 : n;
}

static void
crypt_close(void *backend)
{
	struct crypt *c = backend;
	const aibrix_allocator *alloc = c->conf.alloc;
	const uint32_t n = c->conf.max_inflight;

	aibrix_store_free(c->inner);
	aibrix__crypt_box_close(&c->box);
	if (c->requests)
		OPENSSL_cleanse(c->requests, n * sizeof(*c->requests));
	aibrix__free(alloc, c->requests, n, sizeof(*c->requests));
	aibrix__free(alloc, c->free, c->n_slots, sizeof(*c->free));
	aibrix__free(alloc, c->slots, c->n_slots, c->slot_bytes);
	aibrix__free(alloc, c, 1, sizeof(*c));
}

static int
key_is_set(const aibrix_crypt_key *key)
{
	uint8_t any = 0;

	for (uint32_t i = 0; i < sizeof(key->bytes); i++)
		any |= key->bytes[i];
	return any != 0 && key->spare == 0;
}

static int
opts_load(const aibrix_backend_conf *conf, aibrix_crypt_opts *opts)
{
	int err;

	if (!conf->opts || conf->value_bytes > VALUE_MAX)
		return AIBRIX_E_INVAL;
	err = aibrix__struct_load(opts, sizeof(*opts), conf->opts,
				  STRUCT_UPTO(aibrix_crypt_opts, buffer_bytes));
	if (err)
		return err;
	if (opts->spare)
		return AIBRIX_E_ABI;
	if (!opts->keys || opts->n_keys == 0 ||
	    opts->n_keys > AIBRIX_CRYPT_KEYS_MAX || !opts->inner ||
	    opts->context_bytes > AIBRIX_CRYPT_CONTEXT_MAX ||
	    (opts->context_bytes && !opts->context))
		return AIBRIX_E_INVAL;
	for (uint32_t i = 0; i < opts->n_keys; i++) {
		if (!key_is_set(&opts->keys[i]))
			return AIBRIX_E_INVAL;
		for (uint32_t k = 0; k < i; k++)
			if (opts->keys[k].id == opts->keys[i].id)
				return AIBRIX_E_INVAL;
	}
	return AIBRIX_OK;
}

static int
inner_open(struct crypt *c, const aibrix_store_opts *from)
{
	const aibrix_backend_conf *conf = &c->conf;
	const uint64_t values = conf->capacity_bytes / conf->value_bytes;
	aibrix_store_opts opts;
	int err = aibrix__struct_load(&opts, sizeof(opts), from,
				      STRUCT_UPTO(aibrix_store_opts, seed));

	if (err)
		return err;
	opts.size = sizeof(opts);
	opts.value_bytes = conf->value_bytes + AIBRIX_CRYPT_BYTES;
	if (!opts.capacity_bytes)
		opts.capacity_bytes =
			conf->capacity_bytes + values * AIBRIX_CRYPT_BYTES;
	/* Of what is not urgent half of them may be in flight. */
	opts.max_inflight = conf->max_inflight < INNER_INFLIGHT_MAX / 2
				    ? 2 * conf->max_inflight
				    : INNER_INFLIGHT_MAX;
	opts.inflight_bytes = AIBRIX_FOREVER;
	opts.absent_ns = AIBRIX_FOREVER; /* our front remembers them */
	opts.flags |= conf->flags;
	opts.path = opts.path ? opts.path : conf->path;
	opts.seed = opts.seed ? opts.seed : conf->seed;
	if (!opts.log && conf->log->fn)
		opts.log = conf->log;
	opts.alloc = conf->alloc;
	if (!opts.clock) {
		opts.clock = conf->clock;
		opts.clock_ctx = conf->clock_ctx;
	}
	if (!opts.run) {
		opts.run = conf->run;
		opts.run_ctx = conf->run_ctx;
	}
	return aibrix_store_open(&opts, &c->inner);
}

static int
memory_open(struct crypt *c, uint64_t buffer_bytes)
{
	const aibrix_allocator *alloc = c->conf.alloc;
	const uint32_t n = c->conf.max_inflight;
	uint64_t slots;

	c->slot_bytes =
		(c->conf.value_bytes + AIBRIX_CRYPT_BYTES + SLOT_ALIGN - 1) &
		~(uint64_t)(SLOT_ALIGN - 1);
	slots = (buffer_bytes ? buffer_bytes : BUFFER_DEFAULT) / c->slot_bytes;
	slots = slots < 1 ? 1 : slots > n ? n : slots;
	c->requests = aibrix__alloc(alloc, n, sizeof(*c->requests));
	c->free = aibrix__alloc(alloc, slots, sizeof(*c->free));
	if (c->free)
		c->n_slots = c->n_free = (uint32_t)slots;
	for (uint32_t i = 0; i < c->n_slots; i++)
		c->free[i] = i;
	if (c->requests && c->free)
		c->slots = aibrix__alloc_pages(alloc, slots * c->slot_bytes);
	return c->slots ? AIBRIX_OK : AIBRIX_E_NOMEM;
}

static int
crypt_open(const aibrix_backend_conf *conf, void **backend)
{
	aibrix_crypt_opts opts;
	struct crypt *c;
	int err = opts_load(conf, &opts);

	if (err)
		return err;
	c = aibrix__alloc(conf->alloc, 1, sizeof(*c));
	if (!c)
		return AIBRIX_E_NOMEM;
	c->conf = *conf;
	err = memory_open(c, opts.buffer_bytes);
	if (!err)
		err = aibrix__crypt_box_open(&c->box, &opts);
	if (!err)
		err = inner_open(c, opts.inner);
	if (err) {
		crypt_close(c);
		return err;
	}
	c->conf.path = NULL; /* borrowed for this call only */
	c->conf.opts = NULL;
	stat_copy(c);
	*backend = c;
	return AIBRIX_OK;
}

static const aibrix_backend table = {
	.size = sizeof(table),
	.open = crypt_open,
	.submit = crypt_submit,
	.poll = crypt_poll,
	.close = crypt_close,
	.fd = crypt_fd,
	.cancel = crypt_cancel,
	.wake = crypt_wake,
	.memory_add = crypt_memory_add,
	.memory_remove = crypt_memory_remove,
	.nodes = crypt_nodes,
};

const aibrix_backend *
aibrix_crypt_backend(void)
{
	return &table;
}
