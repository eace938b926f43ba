/*
 * How a value is sealed.
 *
 *	head   magic 4, version 1, algorithm 1, zeros 2, key id 4, zeros 4,
 *	       nonce 24, length 8, tag 16; little-endian
 *	bound  head without its tag, the store's key, the context, each with
 *	       its length in front
 *
 * XAES-256-GCM (C2SP, "XAES-256-GCM", 2024): of a nonce of 192 bits the first
 * 96 give, by CMAC in counter mode (NIST SP 800-108r1), a key for this value,
 * the other 96 are that key's GCM nonce.
 *
 * Why so: AES-GCM alone has nonces of 96 bits.  Random ones may be used for
 * 2^32 values of one key (SP 800-38D, 8.3), which a fleet that offloads
 * thousands of blocks a second does in days, and a counter would have to be
 * kept by every process that ever has the key, over crashes.  AES-GCM-SIV
 * survives a repeated nonce but reads a value twice, and OpenSSL has it from
 * 3.2 on only.  Here keys of a value cost three blocks of AES.
 */
#include "crypt/crypt_internal.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "base/bytes.h"

enum {
	VERSION = 1,
	XAES_256_GCM = 1,
	HEAD_BOUND = AIBRIX_CRYPT_BYTES - CRYPT_TAG,
	STEP = 1 << 30 /* OpenSSL counts in int */
};

#define MAGIC UINT32_C(0x43584241) /* "ABXC" */

/* Errors of OpenSSL are not kept: they would be the caller's next. */
static int
fail(int status)
{
	ERR_clear_error();
	return status;
}

/* CMAC's subkey: AES of zeros, times x. */
static int
mask_make(struct crypt_key *key)
{
	uint8_t block[CRYPT_BLOCK] = {0};
	uint8_t carry = 0;
	int n;

	if (!EVP_EncryptUpdate(key->aes, block, &n, block, CRYPT_BLOCK))
		return AIBRIX_E_IO;
	for (uint32_t i = CRYPT_BLOCK; i-- > 0;) {
		key->mask[i] = (uint8_t)(block[i] << 1 | carry);
		carry = block[i] >> 7;
	}
	key->mask[CRYPT_BLOCK - 1] ^= (uint8_t)(0x87 & (0 - carry));
	OPENSSL_cleanse(block, sizeof(block));
	return AIBRIX_OK;
}

static int
key_open(struct crypt_box *box, struct crypt_key *key,
	 const aibrix_crypt_key *from)
{
	key->id = from->id;
	key->aes = EVP_CIPHER_CTX_new();
	if (!key->aes)
		return AIBRIX_E_NOMEM;
	if (!EVP_EncryptInit_ex2(key->aes, box->ecb, from->bytes, NULL, NULL) ||
	    !EVP_CIPHER_CTX_set_padding(key->aes, 0))
		return AIBRIX_E_IO;
	return mask_make(key);
}

int
aibrix__crypt_box_open(struct crypt_box *box, const aibrix_crypt_opts *opts)
{
	int err = AIBRIX_OK;

	memset(box, 0, sizeof(*box));
	box->context_bytes = opts->context_bytes;
	if (opts->context_bytes)
		memcpy(box->context, opts->context, opts->context_bytes);
	box->ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	box->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (!box->ecb || !box->gcm)
		return fail(AIBRIX_E_UNSUPPORTED);
	box->ctx = EVP_CIPHER_CTX_new();
	if (!box->ctx)
		return fail(AIBRIX_E_NOMEM);
	for (uint32_t i = 0; !err && i < opts->n_keys; i++) {
		err = key_open(box, &box->keys[i], &opts->keys[i]);
		box->n_keys++;
	}
	return err ? fail(err) : AIBRIX_OK;
}

void
aibrix__crypt_box_close(struct crypt_box *box)
{
	for (uint32_t i = 0; i < box->n_keys; i++)
		EVP_CIPHER_CTX_free(box->keys[i].aes);
	EVP_CIPHER_CTX_free(box->ctx);
	EVP_CIPHER_free(box->ecb);
	EVP_CIPHER_free(box->gcm);
	OPENSSL_cleanse(box, sizeof(*box));
}

/* The value's own key: CMAC of 0 i 'X' 0 and 96 bits, for i = 1 and 2. */
static int
value_key(const struct crypt_key *key, const uint8_t *nonce, uint8_t *out)
{
	int n;

	for (uint8_t i = 0; i < 2; i++) {
		uint8_t *block = out + (size_t)i * CRYPT_BLOCK;

		memcpy(block, "\0\0X\0", 4);
		block[1] = (uint8_t)(i + 1);
		memcpy(block + 4, nonce, CRYPT_BLOCK - 4);
		for (uint32_t k = 0; k < CRYPT_BLOCK; k++)
			block[k] ^= key->mask[k];
	}
	return EVP_EncryptUpdate(key->aes, out, &n, out, CRYPT_KEY)
		       ? AIBRIX_OK
		       : AIBRIX_E_IO;
}

int
aibrix__crypt_begin(struct crypt_box *box, const struct crypt_key *key,
		    const uint8_t *nonce, int seal,
		    const struct crypt_part *bound, uint32_t n)
{
	uint8_t own[CRYPT_KEY];
	int err = value_key(key, nonce, own), bytes;

	if (!err && !EVP_CipherInit_ex2(box->ctx, box->gcm, own,
					nonce + CRYPT_NONCE / 2, seal, NULL))
		err = AIBRIX_E_IO;
	OPENSSL_cleanse(own, sizeof(own));
	for (uint32_t i = 0; !err && i < n; i++)
		if (!EVP_CipherUpdate(box->ctx, NULL, &bytes, bound[i].at,
				      (int)bound[i].n))
			err = AIBRIX_E_IO;
	return err ? fail(err) : AIBRIX_OK;
}

int
aibrix__crypt_bytes(struct crypt_box *box, const uint8_t *in, uint8_t *out,
		    uint64_t n)
{
	while (n > 0) {
		const int some = n < STEP ? (int)n : STEP;
		int bytes;

		if (!EVP_CipherUpdate(box->ctx, out, &bytes, in, some))
			return fail(AIBRIX_E_IO);
		in += some;
		out += some;
		n -= (uint64_t)some;
	}
	return AIBRIX_OK;
}

int
aibrix__crypt_end(struct crypt_box *box, int seal, uint8_t *tag)
{
	uint8_t none[CRYPT_BLOCK];
	int bytes;

	if (!seal && EVP_CIPHER_CTX_ctrl(box->ctx, EVP_CTRL_AEAD_SET_TAG,
					 CRYPT_TAG, tag) != 1)
		return fail(AIBRIX_E_IO);
	if (EVP_CipherFinal_ex(box->ctx, none, &bytes) != 1)
		return fail(seal ? AIBRIX_E_IO : AIBRIX_E_CORRUPT);
	if (seal && EVP_CIPHER_CTX_ctrl(box->ctx, EVP_CTRL_AEAD_GET_TAG,
					CRYPT_TAG, tag) != 1)
		return fail(AIBRIX_E_IO);
	return AIBRIX_OK;
}

static int
value_begin(struct crypt_box *box, const struct crypt_key *key,
	    const aibrix_io *io, const uint8_t *head, int seal)
{
	uint8_t lengths[2][4];
	struct writer w = writer_on(lengths, sizeof(lengths));
	const struct crypt_part bound[] = {{head, HEAD_BOUND},
					   {lengths[0], sizeof(lengths[0])},
					   {io->key, io->key_bytes},
					   {lengths[1], sizeof(lengths[1])},
					   {box->context, box->context_bytes}};

	write_u32(&w, io->key_bytes);
	write_u32(&w, box->context_bytes);
	return aibrix__crypt_begin(box, key, head + 16, seal, bound, 5);
}

int
aibrix__crypt_seal(struct crypt_box *box, const aibrix_io *io, uint64_t len,
		   const uint8_t *nonce, uint8_t *out)
{
	const struct crypt_key *key = &box->keys[0];
	struct writer w = writer_on(out, HEAD_BOUND);
	uint8_t *to = out + AIBRIX_CRYPT_BYTES;
	int err;

	write_u32(&w, MAGIC);
	write_u8(&w, VERSION);
	write_u8(&w, XAES_256_GCM);
	write_u16(&w, 0);
	write_u32(&w, key->id);
	write_u32(&w, 0);
	write_bytes(&w, nonce, CRYPT_NONCE);
	write_u64(&w, len);
	err = value_begin(box, key, io, out, 1);
	for (uint32_t i = 0; !err && i < io->n_iov; i++) {
		err = aibrix__crypt_bytes(box, io->iov[i].base, to,
					  io->iov[i].bytes);
		to += io->iov[i].bytes;
	}
	return err ? err : aibrix__crypt_end(box, 1, out + HEAD_BOUND);
}

/* The key that sealed it, or NULL: no head of ours, or nobody's key. */
static const struct crypt_key *
head_read(const struct crypt_box *box, const uint8_t *head, uint64_t len)
{
	struct reader r = reader_on(head, HEAD_BOUND);
	int good = read_u32(&r) == MAGIC;
	uint32_t id;

	good &= read_u8(&r) == VERSION;
	good &= read_u8(&r) == XAES_256_GCM;
	good &= read_u16(&r) == 0;
	id = read_u32(&r);
	good &= read_u32(&r) == 0;
	read_bytes(&r, CRYPT_NONCE);
	good &= read_u64(&r) == len;
	for (uint32_t i = 0; good && i < box->n_keys; i++)
		if (box->keys[i].id == id)
			return &box->keys[i];
	return NULL;
}

/* What has not been verified is nobody's. */
static void
iov_wipe(const aibrix_iov *iov, uint64_t len)
{
	for (; len > 0; iov++) {
		const uint64_t some = len < iov->bytes ? len : iov->bytes;

		if (some)
			OPENSSL_cleanse(iov->base, some);
		len -= some;
	}
}

int
aibrix__crypt_open(struct crypt_box *box, const aibrix_io *io,
		   const uint8_t *head, const aibrix_iov *iov, uint64_t len)
{
	const struct crypt_key *key = head_read(box, head, len);
	uint8_t tag[CRYPT_TAG];
	uint64_t left = len;
	int err = key ? value_begin(box, key, io, head, 0) : AIBRIX_E_CORRUPT;

	for (uint32_t i = 0; !err && left > 0; i++) {
		const uint64_t some = left < iov[i].bytes ? left : iov[i].bytes;

		err = aibrix__crypt_bytes(box, iov[i].base, iov[i].base, some);
		left -= some;
	}
	memcpy(tag, head + HEAD_BOUND, sizeof(tag));
	if (!err)
		err = aibrix__crypt_end(box, 0, tag);
	if (err)
		iov_wipe(iov, len);
	return err;
}
