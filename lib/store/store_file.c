/*
 * Values in a slot file: the store that needs no server.
 *
 * Names live in memory (the directory), values in the file.  One GET is one
 * read of head and value; one PUT is three writes, in an order that a crash
 * may stop anywhere:
 *
 *   1. the head says "being written"   old value gone, new one not there
 *   2. the value
 *   3. the head says what the value is      visible
 *
 * A process that dies loses nothing that the kernel has, so after kill -9
 * the heads are the truth.  A machine that dies may have kept 3 without 2;
 * then the checksum in the head does not match, and the reader drops the
 * slot instead of returning it.  So nothing is ever synced: what is lost is
 * a cached value.
 *
 * Opening reads each slot's head, never a value.
 */

#include "store/store_backend.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/xxh.h"
#include "store/store_directory.h"
#include "store/store_queue.h"
#include "store/store_recover.h"
#include "store/store_slots.h"

enum { PATH_BYTES_MAX = 4096 };

struct file {
	struct queue queue; /* first: store_backend.h */
	aibrix_backend_conf conf;
	char *path; /* conf.path, our copy */
	size_t path_bytes;
	struct directory directory;
	struct slot_file slots;
	uint64_t sequence; /* of the last write */
	const struct xxh_impl *xxh;
	uint8_t head[SLOT_VALUE_AT]; /* of the slot being read or written */
};

/* The first bytes of io's memory, behind what iov holds already. */
static uint32_t
iov_fill(struct iovec *iov, uint32_t n, const aibrix_io *io, uint64_t bytes)
{
	for (uint32_t i = 0; i < io->n_iov && bytes; i++) {
		size_t some = io->iov[i].bytes;

		if (some > bytes)
			some = bytes;
		iov[n++] = (struct iovec){io->iov[i].base, some};
		bytes -= some;
	}
	return n;
}

static uint64_t
value_sum(const struct file *file, const aibrix_io *io, uint64_t bytes)
{
	struct xxh3_stream stream;

	if (bytes <= io->iov[0].bytes)
		return file->xxh->hash(io->iov[0].base, bytes);
	aibrix__xxh3_start(&stream, 0);
	for (uint32_t i = 0; i < io->n_iov && bytes; i++) {
		uint64_t some = io->iov[i].bytes;

		if (some > bytes)
			some = bytes;
		file->xxh->add(&stream, io->iov[i].base, some);
		bytes -= some;
	}
	return aibrix__xxh3_end_64(&stream);
}

static int
head_write(struct file *file, uint32_t slot)
{
	struct iovec iov = {file->head, SLOT_HEAD};

	return aibrix__file_write(file->slots.fd, &iov, 1,
				  aibrix__slot_at(&file->slots, slot));
}

static int
head_clear(struct file *file, uint32_t slot)
{
	memset(file->head, 0, SLOT_HEAD);
	return head_write(file, slot);
}

static void
fault_log(const struct file *file, uint32_t slot, int os_error,
	  const char *what)
{
	int full = aibrix__file_status(os_error) == AIBRIX_E_FULL;

	aibrix__log(file->conf.log, full ? AIBRIX_LOG_WARN : AIBRIX_LOG_ERROR,
		    full ? LOG_STORE_FULL : LOG_STORE_IO,
		    "store %s: %s slot %" PRIu32 ": errno %d%s",
		    file->conf.path, what, slot, os_error,
		    os_error == EIO ? ", not used again" : "");
}

/* A slot that the device cannot read or write is not used again. */
static void
slot_retire(struct file *file, uint32_t slot)
{
	/* A rewritten sector often heals; if not, no harm is done. */
	(void)head_clear(file, slot);
	aibrix__directory_retire(&file->directory, slot);
	file->conf.stat->dropped++;
}

/* A write failed: the slot is empty or half written, which recovery tells
 * from a value. */
static void
slot_fault(struct file *file, uint32_t slot, int os_error, const char *what)
{
	fault_log(file, slot, os_error, what);
	if (os_error == EIO)
		slot_retire(file, slot);
	else
		aibrix__directory_release(&file->directory, slot);
}

/* The bytes are not what was stored: nobody shall find them again. */
static void
slot_drop(struct file *file, uint32_t slot, const char *why)
{
	int failed = head_clear(file, slot);

	aibrix__log(file->conf.log, AIBRIX_LOG_ERROR, LOG_STORE_SLOT_DROPPED,
		    "store %s: slot %" PRIu32 " dropped: %s", file->conf.path,
		    slot, why);
	if (failed)
		slot_fault(file, slot, failed, "clearing");
	else
		aibrix__directory_release(&file->directory, slot);
	if (failed != EIO) /* then its retirement has counted it */
		file->conf.stat->dropped++;
}

static void
done_os(aibrix_done *done, int os_error)
{
	done->status = aibrix__file_status(os_error);
	done->os_error = os_error > 0 ? os_error : 0;
}

/* Is this the head of the value that the directory has here? */
static int
head_matches(const struct file *file, uint32_t slot, const aibrix_io *io,
	     struct slot_head *head)
{
	return aibrix__slot_decode(&file->slots, slot, file->head, head) ==
		       AIBRIX_OK &&
	       head->bytes == file->directory.places[slot].bytes &&
	       head->key_bytes == io->key_bytes &&
	       memcmp(head->key, io->key, io->key_bytes) == 0;
}

static void
file_get(struct file *file, const aibrix_io *io, uint32_t slot,
	 aibrix_done *done)
{
	struct iovec iov[1 + AIBRIX_STORE_IOV_MAX];
	uint64_t bytes = file->directory.places[slot].bytes;
	struct slot_head head;
	uint32_t n;
	int failed;

	done->bytes = bytes;
	if (bytes > io_bytes(io)) {
		done->status = AIBRIX_E_SPACE;
		return;
	}
	iov[0] = (struct iovec){file->head, sizeof(file->head)};
	n = iov_fill(iov, 1, io, bytes);
	failed = aibrix__file_read(file->slots.fd, iov, n,
				   aibrix__slot_at(&file->slots, slot));
	if (failed > 0) {
		done_os(done, failed);
		fault_log(file, slot, failed, "reading");
		if (failed == EIO)
			slot_retire(file, slot);
		return;
	}
	if (failed || !head_matches(file, slot, io, &head)) {
		done->status = AIBRIX_E_CORRUPT;
		slot_drop(file, slot,
			  failed ? "file was cut short"
				 : "its head has changed");
		return;
	}
	if (head.checksum != value_sum(file, io, bytes)) {
		done->status = AIBRIX_E_CORRUPT;
		slot_drop(file, slot, "its value does not match its checksum");
		return;
	}
	aibrix__directory_hit(&file->directory, slot);
}

/* Only a forged file comes near the end of 64 bits; its order of use is lost,
 * no value is. */
static uint64_t
sequence_next(struct file *file)
{
	file->sequence += file->sequence < UINT64_MAX;
	return file->sequence;
}

/* The three writes; 0, errno or FILE_END. */
static int
slot_write(struct file *file, uint32_t slot, const aibrix_io *io,
	   uint64_t bytes)
{
	struct iovec iov[AIBRIX_STORE_IOV_MAX];
	struct slot_head head = {.sequence = sequence_next(file),
				 .bytes = bytes,
				 .checksum = value_sum(file, io, bytes),
				 .slot = slot,
				 .key_bytes = io->key_bytes};
	uint64_t at = aibrix__slot_at(&file->slots, slot);
	int failed;

	aibrix__slot_encode_busy(file->head);
	failed = head_write(file, slot);
	if (failed)
		return failed;
	failed = aibrix__file_write(file->slots.fd, iov,
				    iov_fill(iov, 0, io, bytes),
				    at + SLOT_VALUE_AT);
	if (failed)
		return failed;
	memcpy(head.key, io->key, io->key_bytes);
	aibrix__slot_encode(file->slots.cpu, &head, file->head);
	return head_write(file, slot);
}

static void
file_put(struct file *file, const aibrix_io *io, aibrix_done *done)
{
	uint64_t bytes = io_bytes(io);
	uint32_t slot;
	int evicted, failed;

	if (bytes > file->conf.value_bytes) {
		done->status = AIBRIX_E_INVAL;
		return;
	}
	slot = aibrix__directory_take(&file->directory, &evicted);
	file->conf.stat->evictions += (uint64_t)evicted;
	if (slot == SLOT_NONE) {
		done->status = AIBRIX_E_FULL; /* every slot is bad */
		return;
	}
	failed = slot_write(file, slot, io, bytes);
	if (failed) {
		done_os(done, failed);
		slot_fault(file, slot, failed, "writing");
		return;
	}
	aibrix__directory_add(&file->directory, slot, io->key, io->key_bytes,
			      bytes);
	done->bytes = bytes;
}

static void
file_delete(struct file *file, uint32_t slot, aibrix_done *done)
{
	int failed = head_clear(file, slot);

	if (failed) {
		done_os(done, failed);
		slot_fault(file, slot, failed, "clearing");
		return;
	}
	aibrix__directory_release(&file->directory, slot);
}

static void
file_serve(void *backend, const aibrix_io *io, aibrix_done *done)
{
	struct file *file = backend;
	struct directory *d = &file->directory;
	uint32_t slot = aibrix__directory_find(d, io->key, io->key_bytes);

	done->status = AIBRIX_OK;
	if (slot == SLOT_NONE && io->op != AIBRIX_STORE_PUT) {
		done->status = AIBRIX_E_NOT_FOUND;
		return;
	}
	switch (io->op) {
	case AIBRIX_STORE_GET: file_get(file, io, slot, done); break;
	case AIBRIX_STORE_PROBE: done->bytes = d->places[slot].bytes; break;
	case AIBRIX_STORE_DELETE: file_delete(file, slot, done); break;
	default:
		if (slot == SLOT_NONE) {
			file_put(file, io, done);
			break;
		}
		done->flags = AIBRIX_DONE_EXISTED;
		aibrix__directory_hit(d, slot);
	}
	file->conf.stat->values = d->used;
}

/* Only closes: the lock belongs to the open file, so that a child after
 * fork gives nothing away. */
static void
file_close(void *backend)
{
	struct file *file = backend;
	const aibrix_allocator *alloc = file->conf.alloc;

	aibrix__queue_close(&file->queue);
	if (file->slots.fd >= 0)
		close(file->slots.fd);
	aibrix__directory_close(&file->directory);
	aibrix__free(alloc, file->path, file->path_bytes, 1);
	aibrix__free(alloc, file, 1, sizeof(*file));
}

static int
file_prepare(struct file *file)
{
	int err =
		aibrix__queue_open(&file->queue, &file->conf, file, file_serve);

	if (!err)
		err = aibrix__directory_open(&file->directory, file->conf.alloc,
					     (uint32_t)file->slots.slots);
	if (!err)
		err = aibrix__slots_open(&file->conf, &file->slots);
	return err ? err
		   : aibrix__slots_recover(&file->conf, &file->slots,
					   &file->directory, &file->sequence);
}

static int
file_open(const aibrix_backend_conf *conf, void **backend)
{
	struct slot_file slots;
	struct file *file;
	size_t path_bytes;
	int err;

	if (conf->flags)
		return AIBRIX_E_UNSUPPORTED;
	if (!conf->path || !conf->path[0])
		return AIBRIX_E_INVAL;
	path_bytes = strlen(conf->path) + 1;
	err = aibrix__slots_size(conf, &slots);
	if (err || path_bytes > PATH_BYTES_MAX || slots.slots > SLOTS_MAX)
		return AIBRIX_E_INVAL;
	file = aibrix__alloc(conf->alloc, 1, sizeof(*file));
	if (!file)
		return AIBRIX_E_NOMEM;

	file->conf = *conf;
	file->slots = slots;
	file->xxh = aibrix__xxh_select(slots.cpu);
	file->path_bytes = path_bytes;
	file->path = aibrix__alloc(conf->alloc, path_bytes, 1);
	if (!file->path) {
		file_close(file);
		return AIBRIX_E_NOMEM;
	}
	memcpy(file->path, conf->path, path_bytes);
	file->conf.path = file->path;
	err = file_prepare(file);
	if (err) {
		file_close(file);
		return err;
	}
	*backend = file;
	return AIBRIX_OK;
}

const aibrix_backend aibrix__store_file = {
	.size = sizeof(aibrix__store_file),
	.caps = AIBRIX_CAP_LASTING | AIBRIX_CAP_BLOCKING,
	.open = file_open,
	.submit = aibrix__queue_submit,
	.poll = aibrix__queue_poll,
	.fd = aibrix__queue_fd,
	.cancel = aibrix__queue_cancel,
	.close = file_close,
};
