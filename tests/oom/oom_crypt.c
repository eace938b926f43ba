#include <string.h>

#include <criterion/criterion.h>
#include <openssl/evp.h>

#include <aibrix/crypt.h>

#include "failing.h"

enum { SECRET = 8 };

/* What must not be given back: of the key, which is not one byte over and
 * over, since memory that is not written yet may be filled with any, and of
 * what is made of it and kept. */
static char secrets[2][SECRET] = {"not a 0x"};
static int secret_seen;

/* CMAC's subkey of an AES key (NIST SP 800-38B): AES of zeros, times x. */
static void
subkey_make(const uint8_t *key, char *out)
{
	EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
	uint8_t block[16] = {0};
	int n;

	cr_assert(aes &&
		  EVP_EncryptInit_ex(aes, EVP_aes_256_ecb(), NULL, key, NULL));
	cr_assert(EVP_EncryptUpdate(aes, block, &n, block, sizeof(block)));
	EVP_CIPHER_CTX_free(aes);
	for (int i = 0; i < SECRET; i++)
		out[i] = (char)(block[i] << 1 | block[i + 1] >> 7);
}

static void
looking_free(void *ctx, void *ptr, size_t bytes)
{
	const char *byte = ptr;

	for (size_t i = 0; i + SECRET <= bytes; i++)
		secret_seen |= memcmp(byte + i, secrets[0], SECRET) == 0 ||
			       memcmp(byte + i, secrets[1], SECRET) == 0;
	failing_free(ctx, ptr, bytes);
}

Test(oom_crypt, a_failed_opening_leaves_nothing_and_keys_are_wiped)
{
	aibrix_crypt_key key = {.id = 1};
	aibrix_store_opts inner = {.size = sizeof(inner)};
	aibrix_crypt_opts crypt = {.size = sizeof(crypt),
				   .n_keys = 1,
				   .keys = &key,
				   .inner = &inner,
				   .buffer_bytes = 1 << 16};
	uint64_t i;

	for (size_t n = 0; n + SECRET <= sizeof(key.bytes); n += SECRET)
		memcpy(key.bytes + n, secrets[0], SECRET);
	subkey_make(key.bytes, secrets[1]);
	for (i = 0; i < 100; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		aibrix_store_opts opts = {.size = sizeof(opts),
					  .backend = AIBRIX_BACKEND_USER,
					  .user = aibrix_crypt_backend(),
					  .capacity_bytes = 1 << 16,
					  .value_bytes = 1 << 12,
					  .max_inflight = 16,
					  .backend_opts = &crypt,
					  .alloc = &a};
		aibrix_store *store = NULL;
		int err;

		a.free = looking_free;
		err = aibrix_store_open(&opts, &store);
		if (err) {
			cr_expect_eq(err, AIBRIX_E_NOMEM);
			cr_expect_null(store);
		}
		aibrix_store_free(store);
		cr_expect_eq(f.live, 0);
		cr_expect_eq(f.live_bytes, 0);
		if (!err)
			break;
	}
	cr_expect(i > 4 && i < 100);
	cr_expect_eq(secret_seen, 0);
}
