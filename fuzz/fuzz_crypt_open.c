/*
 * Input: a byte, then what lies in a store.  Properties: nobody without the
 * key makes a value, so what is not ours is E_CORRUPT and leaves zeros; a
 * value of ours, with bytes of the input laid over it by exclusive or, opens
 * only where none of them changed it.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/crypt_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { PLAIN = 48 };

static void
require(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static int
zeros_are(const uint8_t *at, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= at[i];
	return any == 0;
}

static void
foreign_check(struct crypt_box *box, const aibrix_io *io, const uint8_t *data,
	      size_t len)
{
	const size_t n = len - AIBRIX_CRYPT_BYTES;
	uint8_t *body = malloc(n + 1);
	const aibrix_iov iov[] = {{body, n / 2}, {body + n / 2, n - n / 2}};

	if (!body)
		return;
	memcpy(body, data + AIBRIX_CRYPT_BYTES, n);
	require(aibrix__crypt_open(box, io, data, iov, n) == AIBRIX_E_CORRUPT,
		"a value without a key");
	require(zeros_are(body, n), "bytes that nobody vouches for");
	free(body);
}

static void
damaged_check(struct crypt_box *box, const aibrix_io *io, const uint8_t *data,
	      size_t len)
{
	static const uint8_t nonce[CRYPT_NONCE] = {9};
	uint8_t sealed[AIBRIX_CRYPT_BYTES + PLAIN], plain[PLAIN];
	const aibrix_iov in = {plain, PLAIN};
	const aibrix_iov out = {sealed + AIBRIX_CRYPT_BYTES, PLAIN};
	aibrix_io put = *io;
	int changed = 0, err;

	memset(plain, 'p', sizeof(plain));
	put.iov = &in;
	put.n_iov = 1;
	err = aibrix__crypt_seal(box, &put, PLAIN, nonce, sealed);
	require(err == AIBRIX_OK, "sealing");
	for (size_t i = 0; i < len && i < sizeof(sealed); i++) {
		changed |= data[i];
		sealed[i] ^= data[i];
	}
	err = aibrix__crypt_open(box, io, sealed, &out, PLAIN);
	require(err == (changed ? AIBRIX_E_CORRUPT : AIBRIX_OK),
		"a damaged value");
	require(changed ? zeros_are(out.base, PLAIN)
			: memcmp(out.base, plain, PLAIN) == 0,
		"what is given out");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const aibrix_crypt_key keys[] = {{1, 0, {1}}, {2, 0, {2}}};
	const aibrix_crypt_opts opts = {.n_keys = 2, .keys = keys};
	const aibrix_io io = {.key = "key", .key_bytes = 3};
	struct crypt_box box;

	if (len == 0)
		return 0;
	require(aibrix__crypt_box_open(&box, &opts) == AIBRIX_OK, "a box");
	if (data[0] & 1)
		damaged_check(&box, &io, data + 1, len - 1);
	else if (len > AIBRIX_CRYPT_BYTES)
		foreign_check(&box, &io, data + 1, len - 1);
	aibrix__crypt_box_close(&box);
	return 0;
}
