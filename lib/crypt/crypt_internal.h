/* Sealed values, and the store that has them. */
#ifndef CRYPT_CRYPT_INTERNAL_H
#define CRYPT_CRYPT_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include <aibrix/crypt.h>
#include <openssl/evp.h>

enum { CRYPT_KEY = 32, CRYPT_NONCE = 24, CRYPT_TAG = 16, CRYPT_BLOCK = 16 };

struct crypt_key {
	uint32_t id;
	EVP_CIPHER_CTX *aes;       /* AES-256, block by block */
	uint8_t mask[CRYPT_BLOCK]; /* CMAC's first subkey */
};

/* Keys, and what is bound to every value. */
struct crypt_box {
	struct crypt_key keys[AIBRIX_CRYPT_KEYS_MAX];
	uint32_t n_keys;
	uint32_t context_bytes;
	uint8_t context[AIBRIX_CRYPT_CONTEXT_MAX];
	EVP_CIPHER *ecb, *gcm;
	EVP_CIPHER_CTX *ctx;
};

/* On failure the box is to be closed too. */
int aibrix__crypt_box_open(struct crypt_box *box,
			   const aibrix_crypt_opts *opts);
void aibrix__crypt_box_close(struct crypt_box *box);

/* XAES-256-GCM, one call: out may be in.  More than one part of what is bound
 * is given in turn.  E_CORRUPT: the tag is another one. */
struct crypt_part {
	const void *at;
	size_t n;
};

int aibrix__crypt_begin(struct crypt_box *box, const struct crypt_key *key,
			const uint8_t *nonce, int seal,
			const struct crypt_part *bound, uint32_t n);
int aibrix__crypt_bytes(struct crypt_box *box, const uint8_t *in, uint8_t *out,
			uint64_t n);
int aibrix__crypt_end(struct crypt_box *box, int seal, uint8_t *tag);

/* Seal the first len bytes of iov under the store's key: head and ciphertext
 * at out, AIBRIX_CRYPT_BYTES + len bytes. */
int aibrix__crypt_seal(struct crypt_box *box, const aibrix_io *io, uint64_t len,
		       const uint8_t *nonce, uint8_t *out);

/*
 * Open what lies in head and, len bytes of it, in iov; plaintext takes its
 * place.  On E_CORRUPT iov's first len bytes are zeros.
 */
int aibrix__crypt_open(struct crypt_box *box, const aibrix_io *io,
		       const uint8_t *head, const aibrix_iov *iov,
		       uint64_t len);

#endif
