/*
 * The slot file: its format, how it comes to be, and reads and writes that
 * end only when all is done.
 *
 *   0            4096          4096 + stride
 *   [superblock] [head | value] [head | value] ...
 *
 * stride = 4096 + value_bytes, rounded up to 4096.  A slot's head takes the
 * first 1024 bytes of the slot, its value starts 4096 bytes into it, or lead
 * bytes before: so the short first piece of a value (a frame) does not keep
 * the rest from lying where direct I/O can reach it.  Numbers are
 * little-endian.
 *
 * Superblock, 4096 bytes     Head, 1024 bytes
 *    0  8  magic "AIBXSLOT"     0  4  magic "SLT1"
 *    8  4  version, 1           4  4  CRC32C of the 1024 bytes, this zero
 *   12  4  CRC32C, as right     8  8  sequence, 1 and up: order of writes
 *   16  8  value_bytes         16  8  bytes of the value
 *   24  8  slots               24  8  XXH3-64 of the value
 *   32  8  stride              32  4  number of the slot
 *   40     zeros               36  4  bytes of the key
 *                              40     the key, then zeros
 *                             552  4  lead
 *
 * A head of zeros: the slot is empty.
 */
#ifndef STORE_SLOTS_H
#define STORE_SLOTS_H

#include <stdint.h>
#include <sys/uio.h>

#include "store/store_backend.h"

enum {
	SUPER_BYTES = 4096,
	SLOT_HEAD = 1024,
	SLOT_VALUE_AT = 4096,
	SLOT_ALIGN = 4096,
	SLOT_LEAD_MAX = SLOT_VALUE_AT - SLOT_HEAD
};

struct slot_file {
	uint64_t value_bytes, slots, stride;
	int fd;       /* locked; -1: none */
	uint32_t cpu; /* aibrix__cpu() */
};

struct slot_head {
	uint64_t sequence, bytes, checksum;
	uint32_t slot, key_bytes, lead;
	uint8_t key[AIBRIX_STORE_KEY_MAX];
};

void aibrix__slot_encode(uint32_t cpu, const struct slot_head *head,
			 uint8_t out[SLOT_HEAD]);

/* Fails: E_NOT_FOUND (empty), E_BUSY ("SLTW": a writer that clears heads
 * first was killed), E_CORRUPT (anything else, also a head that belongs to
 * another slot or file). */
int aibrix__slot_decode(const struct slot_file *file, uint32_t slot,
			const uint8_t in[SLOT_HEAD], struct slot_head *head);

/* Offset of a slot's head. */
uint64_t aibrix__slot_at(const struct slot_file *file, uint32_t slot);

/* Open and lock conf->path, creating it when it is not there; file has fd
 * -1 and its sizes.  Statuses are those of aibrix_store_open; all but
 * E_NOMEM are logged. */
int aibrix__slots_open(const aibrix_backend_conf *conf, struct slot_file *file);

/* Sizes of the file that conf asks for; E_INVAL: there is none. */
int aibrix__slots_size(const aibrix_backend_conf *conf, struct slot_file *file);

enum { FILE_END = -1 }; /* the file ended before the bytes did */

/* All bytes of iov, which is used up, from or to offset at: 0, errno or
 * FILE_END. */
int aibrix__file_read(int fd, struct iovec *iov, uint32_t n, uint64_t at);
int aibrix__file_write(int fd, struct iovec *iov, uint32_t n, uint64_t at);

/* AIBRIX_E_* of errno or FILE_END. */
int aibrix__file_status(int os_error);

#endif
