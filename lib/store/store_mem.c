/*
 * Values in memory: the store that needs nothing from outside, and the one
 * whose faults can be scripted.
 *
 * The directory gives out slot numbers; slot i's bytes are slot i of a pool,
 * whose mappings cost memory only where a value was written.  A value is
 * copied once on its way in and once on its way out.
 */

#include "store/store_backend.h"

#include <string.h>

#include "base/alloc.h"
#include "store/store_directory.h"
#include "store/store_queue.h"

struct mem {
	struct queue queue; /* first: store_backend.h */
	const aibrix_backend_conf *conf;
	struct directory directory;
	aibrix_pool *values;
};

static void
value_gather(const aibrix_io *io, uint8_t *to)
{
	for (uint32_t i = 0; i < io->n_iov; i++) {
		if (io->iov[i].bytes)
			memcpy(to, io->iov[i].base, io->iov[i].bytes);
		to += io->iov[i].bytes;
	}
}

static void
mem_get(struct mem *mem, const aibrix_io *io, uint32_t slot, aibrix_done *done)
{
	done->bytes = mem->directory.places[slot].bytes;
	if (done->bytes > io_bytes(io)) {
		done->status = AIBRIX_E_SPACE;
		return;
	}
	io_scatter(io, aibrix_pool_slot(mem->values, slot), done->bytes);
	aibrix__directory_hit(&mem->directory, slot);
}

static void
mem_put(struct mem *mem, const aibrix_io *io, aibrix_done *done)
{
	uint64_t bytes = io_bytes(io);
	uint32_t slot;
	int evicted;

	if (bytes > mem->conf->value_bytes) {
		done->status = AIBRIX_E_INVAL;
		return;
	}
	/* There always is one: none is taken between two calls. */
	slot = aibrix__directory_take(&mem->directory, &evicted);
	mem->conf->stat->evictions += (uint64_t)evicted;
	value_gather(io, aibrix_pool_slot(mem->values, slot));
	aibrix__directory_add(&mem->directory, slot, io->key, io->key_bytes,
			      bytes);
	done->bytes = bytes;
}

static void
mem_serve(void *backend, const aibrix_io *io, aibrix_done *done)
{
	struct mem *mem = backend;
	struct directory *d = &mem->directory;
	uint32_t slot = aibrix__directory_find(d, io->key, io->key_bytes);

	done->status = AIBRIX_OK;
	if (slot == SLOT_NONE && io->op != AIBRIX_STORE_PUT) {
		done->status = AIBRIX_E_NOT_FOUND;
		return;
	}
	switch (io->op) {
	case AIBRIX_STORE_GET: mem_get(mem, io, slot, done); break;
	case AIBRIX_STORE_PROBE: done->bytes = d->places[slot].bytes; break;
	case AIBRIX_STORE_DELETE: aibrix__directory_release(d, slot); break;
	default:
		if (slot == SLOT_NONE) {
			mem_put(mem, io, done);
			break;
		}
		done->flags = AIBRIX_DONE_EXISTED;
		aibrix__directory_hit(d, slot);
	}
	mem->conf->stat->values = d->used;
}

static void
mem_close(void *backend)
{
	struct mem *mem = backend;

	aibrix__queue_close(&mem->queue);
	aibrix_pool_free(mem->values);
	aibrix__directory_close(&mem->directory);
	aibrix__free(mem->conf->alloc, mem, 1, sizeof(*mem));
}

static int
mem_open(const aibrix_backend_conf *conf, void **backend)
{
	uint64_t slots = conf->capacity_bytes / conf->value_bytes;
	aibrix_pool_opts values = {.size = sizeof(values),
				   .slot_bytes = conf->value_bytes,
				   .slots = slots,
				   .align = 64,
				   .alloc = conf->alloc};
	struct mem *mem;
	int err;

	if (conf->flags)
		return AIBRIX_E_UNSUPPORTED;
	if (slots > SLOTS_MAX)
		return AIBRIX_E_INVAL;
	mem = aibrix__alloc(conf->alloc, 1, sizeof(*mem));
	if (!mem)
		return AIBRIX_E_NOMEM;
	mem->conf = conf;
	err = aibrix__queue_open(&mem->queue, conf, mem, mem_serve);
	if (!err)
		err = aibrix__directory_open(&mem->directory, conf->alloc,
					     (uint32_t)slots);
	if (!err)
		err = aibrix_pool_new(&values, &mem->values);
	if (err) {
		mem_close(mem);
		return err;
	}
	aibrix__directory_settle(&mem->directory);
	conf->stat->capacity_values = slots;
	*backend = mem;
	return AIBRIX_OK;
}

const aibrix_backend aibrix__store_mem = {
	.size = sizeof(aibrix__store_mem),
	.open = mem_open,
	.submit = aibrix__queue_submit,
	.poll = aibrix__queue_poll,
	.fd = aibrix__queue_fd,
	.cancel = aibrix__queue_cancel,
	.close = mem_close,
};
