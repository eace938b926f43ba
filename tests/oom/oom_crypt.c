#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/crypt.h>

#include "failing.h"

/* Not one byte over and over: memory that is not written yet may be filled
 * with any. */
static const char secret[] = "not a 0x";
enum { SECRET = sizeof(secret) - 1 };

static int secret_seen;

static void
looking_free(void *ctx, void *ptr, size_t bytes)
{
	const char *byte = ptr;

	for (size_t i = 0; i + SECRET <= bytes; i++)
		secret_seen |= memcmp(byte + i, secret, SECRET) == 0;
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
		memcpy(key.bytes + n, secret, SECRET);
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
