/*
 * The bytes of a slot file and the whole reads and writes they take.
 *
 * Whatever a file says about itself is compared with what was asked for, and
 * never used as a size: a hostile file can only be refused or be read as
 * empty slots.
 */

#define _DEFAULT_SOURCE

#include "store/store_slots.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/cpu.h"
#include "base/crc32c.h"

enum { HEAD_CRC_AT = 4, HEAD_KEY_AT = 40, HEAD_LEAD_AT = 552 };

static const uint8_t magic_whole[4] = {'S', 'L', 'T', '1'};
static const uint8_t magic_busy[4] = {'S', 'L', 'T', 'W'};

static uint32_t
head_crc(uint32_t cpu, const uint8_t in[SLOT_HEAD])
{
	static const uint8_t zero[4];
	uint32_t crc = aibrix__crc32c(cpu, 0, in, HEAD_CRC_AT);

	crc = aibrix__crc32c(cpu, crc, zero, sizeof(zero));
	return aibrix__crc32c(cpu, crc, in + HEAD_CRC_AT + sizeof(zero),
			      SLOT_HEAD - HEAD_CRC_AT - sizeof(zero));
}

void
aibrix__slot_encode(uint32_t cpu, const struct slot_head *head,
		    uint8_t out[SLOT_HEAD])
{
	struct writer w = writer_on(out, SLOT_HEAD);
	struct writer crc = writer_on(out + HEAD_CRC_AT, 4);
	struct writer lead = writer_on(out + HEAD_LEAD_AT, 4);

	memset(out, 0, SLOT_HEAD);
	write_bytes(&w, magic_whole, sizeof(magic_whole));
	write_u32(&w, 0);
	write_u64(&w, head->sequence);
	write_u64(&w, head->bytes);
	write_u64(&w, head->checksum);
	write_u32(&w, head->slot);
	write_u32(&w, head->key_bytes);
	write_bytes(&w, head->key, head->key_bytes);
	write_u32(&lead, head->lead);
	write_u32(&crc, head_crc(cpu, out));
}

static int
head_is_zero(const uint8_t in[SLOT_HEAD])
{
	for (uint32_t i = 0; i < SLOT_HEAD; i++)
		if (in[i])
			return 0;
	return 1;
}

int
aibrix__slot_decode(const struct slot_file *file, uint32_t slot,
		    const uint8_t in[SLOT_HEAD], struct slot_head *head)
{
	struct reader r = reader_on(in + sizeof(magic_whole),
				    SLOT_HEAD - sizeof(magic_whole));
	struct reader lead = reader_on(in + HEAD_LEAD_AT, 4);
	uint32_t crc;

	if (memcmp(in, magic_busy, sizeof(magic_busy)) == 0)
		return AIBRIX_E_BUSY;
	if (memcmp(in, magic_whole, sizeof(magic_whole)) != 0)
		return head_is_zero(in) ? AIBRIX_E_NOT_FOUND : AIBRIX_E_CORRUPT;
	crc = read_u32(&r);
	if (crc != head_crc(file->cpu, in))
		return AIBRIX_E_CORRUPT;
	head->sequence = read_u64(&r);
	head->bytes = read_u64(&r);
	head->checksum = read_u64(&r);
	head->slot = read_u32(&r);
	head->key_bytes = read_u32(&r);
	head->lead = read_u32(&lead);
	/* A CRC is no proof of good will. */
	if (head->sequence == 0 || head->bytes > file->value_bytes ||
	    head->slot != slot || head->key_bytes < 1 ||
	    head->key_bytes > AIBRIX_STORE_KEY_MAX ||
	    head->lead > SLOT_LEAD_MAX || head->lead > head->bytes)
		return AIBRIX_E_CORRUPT;
	memcpy(head->key, in + HEAD_KEY_AT, sizeof(head->key));
	return AIBRIX_OK;
}

uint64_t
aibrix__slot_at(const struct slot_file *file, uint32_t slot)
{
	return SUPER_BYTES + slot * file->stride;
}

int
aibrix__slots_size(const aibrix_backend_conf *conf, struct slot_file *file)
{
	size_t stride, all;

	file->fd = -1;
	file->cpu = aibrix__cpu();
	file->value_bytes = conf->value_bytes;
	file->slots = conf->capacity_bytes / conf->value_bytes;
	if (conf->value_bytes > SIZE_MAX - SLOT_VALUE_AT ||
	    !checked_round_up(SLOT_VALUE_AT + (size_t)conf->value_bytes,
			      SLOT_ALIGN, &stride) ||
	    !checked_mul(stride, (size_t)file->slots, &all) ||
	    !checked_add(all, SUPER_BYTES, &all) || all > INT64_MAX)
		return AIBRIX_E_INVAL;
	file->stride = stride;
	return AIBRIX_OK;
}

/* Forget the first bytes of iov; how many of its entries are used up. */
static uint32_t
iov_advance(struct iovec *iov, uint32_t n, size_t bytes)
{
	uint32_t used = 0;

	while (used < n && bytes >= iov[used].iov_len)
		bytes -= iov[used++].iov_len;
	if (used < n) {
		uint8_t *base = iov[used].iov_base;

		iov[used].iov_base = base + bytes;
		iov[used].iov_len -= bytes;
	}
	return used;
}

typedef ssize_t move_fn(int fd, const struct iovec *iov, int n, off_t at);

/* A signal, a limit of the kernel (2 GiB) or a full disk may end a call
 * early: go on from where it stopped.  0 bytes are at's end of the file. */
static int
file_move(move_fn *move, int fd, struct iovec *iov, uint32_t n, uint64_t at)
{
	uint32_t used = iov_advance(iov, n, 0);

	while (used < n) {
		ssize_t got = move(fd, iov + used, (int)(n - used), (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		if (got == 0)
			return FILE_END;
		at += (uint64_t)got;
		used += iov_advance(iov + used, n - used, (size_t)got);
	}
	return 0;
}

int
aibrix__file_read(int fd, struct iovec *iov, uint32_t n, uint64_t at)
{
	return file_move(preadv, fd, iov, n, at);
}

int
aibrix__file_write(int fd, struct iovec *iov, uint32_t n, uint64_t at)
{
	return file_move(pwritev, fd, iov, n, at);
}

int
aibrix__file_status(int os_error)
{
	switch (os_error) {
	case FILE_END: return AIBRIX_E_CORRUPT;
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return AIBRIX_E_FULL;
	case EACCES:
	case EPERM:
	case EROFS: return AIBRIX_E_DENIED;
	case ENOMEM: return AIBRIX_E_NOMEM;
	default: return AIBRIX_E_IO;
	}
}
