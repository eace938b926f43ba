#define _GNU_SOURCE /* memmem */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/crypt.h>
#include <aibrix/shfs.h>

#include "crypt/crypt_internal.h"
#include "temp_path.h"

enum { VALUE = 4096 };

static aibrix_crypt_key
key_of(uint32_t id, uint8_t byte)
{
	aibrix_crypt_key key = {.id = id};

	memset(key.bytes, byte, sizeof(key.bytes));
	return key;
}

static struct crypt_box
box_of(const aibrix_crypt_key *keys, uint32_t n, const char *context)
{
	aibrix_crypt_opts opts = {.n_keys = n,
				  .keys = keys,
				  .context = context,
				  .context_bytes = (uint32_t)strlen(context)};
	struct crypt_box box;

	cr_assert_eq(aibrix__crypt_box_open(&box, &opts), AIBRIX_OK);
	return box;
}

/* ---- sealing */

/* C2SP, XAES-256-GCM, "Test vectors": one key for each bit that CMAC's
 * doubling may carry out. */
Test(crypt, sealing_is_xaes_256_gcm)
{
	static const struct {
		uint8_t key;
		const char *bound;
		uint8_t sealed[28];
	} vectors[] = {
		{1, "", {0xce, 0x54, 0x6e, 0xf6, 0x3c, 0x9c, 0xc6,
			 0x07, 0x65, 0x92, 0x36, 0x09, 0xb3, 0x3a,
			 0x9a, 0x19, 0x74, 0xe9, 0x6e, 0x52, 0xda,
			 0xf2, 0xfc, 0xf7, 0x07, 0x5e, 0x22, 0x71}},
		{3,
		 "c2sp.org/XAES-256-GCM",
		 {0x98, 0x6e, 0xc1, 0x83, 0x25, 0x93, 0xdf, 0x54, 0x43, 0xa1,
		  0x79, 0x43, 0x7f, 0xd0, 0x83, 0xbf, 0x3f, 0xdb, 0x41, 0xab,
		  0xd7, 0x40, 0xa2, 0x1f, 0x71, 0xeb, 0x76, 0x9d}},
	};
	const uint8_t *nonce = (const uint8_t *)"ABCDEFGHIJKLMNOPQRSTUVWX";

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		aibrix_crypt_key key = key_of(1, vectors[i].key);
		struct crypt_box box = box_of(&key, 1, "");
		struct crypt_part bound = {vectors[i].bound,
					   strlen(vectors[i].bound)};
		uint8_t out[28];

		cr_assert_eq(aibrix__crypt_begin(&box, &box.keys[0], nonce, 1,
						 &bound, 1),
			     AIBRIX_OK);
		cr_assert_eq(
			aibrix__crypt_bytes(
				&box, (const uint8_t *)"XAES-256-GCM", out, 12),
			AIBRIX_OK);
		cr_assert_eq(aibrix__crypt_end(&box, 1, out + 12), AIBRIX_OK);
		cr_expect_arr_eq(out, vectors[i].sealed, sizeof(out));
		/* And back. */
		cr_assert_eq(aibrix__crypt_begin(&box, &box.keys[0], nonce, 0,
						 &bound, 1),
			     AIBRIX_OK);
		cr_assert_eq(aibrix__crypt_bytes(&box, out, out, 12),
			     AIBRIX_OK);
		cr_assert_eq(aibrix__crypt_end(&box, 0, out + 12), AIBRIX_OK);
		cr_expect_arr_eq(out, "XAES-256-GCM", 12);
		aibrix__crypt_box_close(&box);
	}
}

/* A value of 100 bytes under "key", sealed. */
struct sealed {
	uint8_t plain[100];
	uint8_t bytes[AIBRIX_CRYPT_BYTES + 100];
	aibrix_iov iov;
	aibrix_io io;
};

static void
sealed_make(struct sealed *s, struct crypt_box *box)
{
	static const uint8_t nonce[CRYPT_NONCE] = {7};

	for (uint32_t i = 0; i < sizeof(s->plain); i++)
		s->plain[i] = (uint8_t)i;
	s->iov = (aibrix_iov){s->plain, sizeof(s->plain)};
	s->io = (aibrix_io){
		.key = "key", .key_bytes = 3, .iov = &s->iov, .n_iov = 1};
	cr_assert_eq(aibrix__crypt_seal(box, &s->io, sizeof(s->plain), nonce,
					s->bytes),
		     AIBRIX_OK);
}

/* Open a copy of what is sealed; plaintext, or nothing but zeros, in out. */
static int
sealed_open(const struct sealed *s, struct crypt_box *box, uint8_t *out,
	    uint64_t len)
{
	const aibrix_iov parts[] = {{out, 30}, {out + 30, 0}, {out + 30, 70}};

	memcpy(out, s->bytes + AIBRIX_CRYPT_BYTES, sizeof(s->plain));
	return aibrix__crypt_open(box, &s->io, s->bytes, parts, len);
}

static const uint8_t zeros[VALUE];

Test(crypt, a_damaged_byte_anywhere_gives_nothing)
{
	aibrix_crypt_key keys[] = {key_of(1, 1), key_of(2, 2)};
	struct crypt_box box = box_of(keys, 2, "tenant");
	struct sealed s;
	uint8_t out[100];

	sealed_make(&s, &box);
	cr_assert_eq(sealed_open(&s, &box, out, 100), AIBRIX_OK);
	cr_expect_arr_eq(out, s.plain, sizeof(out));
	for (uint32_t i = 0; i < sizeof(s.bytes); i++)
		for (uint32_t bit = 0; bit < 8; bit++) {
			s.bytes[i] ^= (uint8_t)(1 << bit);
			cr_assert_eq(sealed_open(&s, &box, out, 100),
				     AIBRIX_E_CORRUPT, "byte %u bit %u", i,
				     bit);
			cr_assert_arr_eq(out, zeros, sizeof(out));
			s.bytes[i] ^= (uint8_t)(1 << bit);
		}
	/* Cut, and longer than it says. */
	cr_expect_eq(sealed_open(&s, &box, out, 99), AIBRIX_E_CORRUPT);
	cr_expect_arr_eq(out, zeros, 99);
	cr_expect_eq(sealed_open(&s, &box, out, 0), AIBRIX_E_CORRUPT);
	aibrix__crypt_box_close(&box);
}

Test(crypt, a_value_is_bound_to_its_key_and_context)
{
	aibrix_crypt_key key = key_of(1, 1), other = key_of(1, 2);
	struct crypt_box box = box_of(&key, 1, "tenant");
	struct crypt_box tenant = box_of(&key, 1, "tenanu");
	struct crypt_box foreign = box_of(&other, 1, "tenant");
	struct crypt_box shifted = box_of(&key, 1, "ytenant");
	struct sealed s;
	uint8_t out[100];

	sealed_make(&s, &box);
	s.io.key = "kez";
	cr_expect_eq(sealed_open(&s, &box, out, 100), AIBRIX_E_CORRUPT);
	s.io.key = "key";
	cr_expect_eq(sealed_open(&s, &tenant, out, 100), AIBRIX_E_CORRUPT);
	cr_expect_eq(sealed_open(&s, &foreign, out, 100), AIBRIX_E_CORRUPT);
	/* "ke" and "ytenant" are not "key" and "tenant". */
	s.io.key_bytes = 2;
	cr_expect_eq(sealed_open(&s, &shifted, out, 100), AIBRIX_E_CORRUPT);
	s.io.key_bytes = 3;
	cr_expect_eq(sealed_open(&s, &box, out, 100), AIBRIX_OK);
	aibrix__crypt_box_close(&box);
	aibrix__crypt_box_close(&tenant);
	aibrix__crypt_box_close(&foreign);
	aibrix__crypt_box_close(&shifted);
}

/* ---- the store */

static char value[] = "value here";

struct place {
	struct temp_path dir;
	aibrix_store_opts inner;
	aibrix_shfs_opts shfs;
	aibrix_crypt_key keys[2];
	aibrix_crypt_opts crypt;
	aibrix_store_opts outer;
};

static void
place_make(struct place *p)
{
	*p = (struct place){.dir = temp_folder_new()};
	p->shfs = (aibrix_shfs_opts){.size = sizeof(p->shfs)};
	p->inner =
		(aibrix_store_opts){.size = sizeof(p->inner),
				    .backend = AIBRIX_BACKEND_SHFS,
				    .path = p->dir.text,
				    .value_bytes = VALUE + AIBRIX_CRYPT_BYTES,
				    .backend_opts = &p->shfs};
	p->keys[0] = key_of(1, 1);
	p->keys[1] = key_of(2, 2);
	p->crypt = (aibrix_crypt_opts){.size = sizeof(p->crypt),
				       .n_keys = 1,
				       .keys = p->keys,
				       .inner = &p->inner};
	p->outer = (aibrix_store_opts){.size = sizeof(p->outer),
				       .backend = AIBRIX_BACKEND_USER,
				       .user = aibrix_crypt_backend(),
				       .value_bytes = VALUE,
				       .backend_opts = &p->crypt};
}

static void
place_remove(const struct place *p)
{
	temp_path_remove(p->dir.text);
}

static aibrix_store *
store_of(const aibrix_store_opts *opts)
{
	aibrix_store *store = NULL;

	cr_assert_eq(aibrix_store_open(opts, &store), AIBRIX_OK);
	return store;
}

static aibrix_done
ask(aibrix_store *store, uint32_t op, const char *key, void *bytes, uint64_t n)
{
	const aibrix_iov iov = {bytes, n};
	const aibrix_io io = {.key = key,
			      .key_bytes = (uint32_t)strlen(key),
			      .iov = &iov,
			      .n_iov = op <= AIBRIX_STORE_PUT,
			      .op = op,
			      .tag = 5};
	aibrix_done done;
	uint32_t taken = 0;

	cr_assert_eq(aibrix_store_submit(store, &io, 1, 1, &taken), AIBRIX_OK);
	for (taken = 0; taken == 0;)
		cr_assert_eq(aibrix_store_poll(store, &done, 1, 1, 1000000000,
					       &taken),
			     AIBRIX_OK);
	cr_assert_eq(done.tag, 5);
	return done;
}

Test(crypt, what_lies_in_the_store_is_sealed)
{
	struct place p;
	aibrix_store *outer, *inner;
	uint8_t plain[1000], kept[1000], got[VALUE + AIBRIX_CRYPT_BYTES];
	aibrix_done done;

	place_make(&p);
	memset(plain, 'p', sizeof(plain));
	memcpy(kept, plain, sizeof(plain));
	outer = store_of(&p.outer);
	done = ask(outer, AIBRIX_STORE_PUT, "k", plain, sizeof(plain));
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, 1000);
	/* The caller's memory is as it was. */
	cr_expect_arr_eq(plain, kept, sizeof(plain));
	done = ask(outer, AIBRIX_STORE_PUT, "k", plain, sizeof(plain));
	cr_expect_eq(done.flags, AIBRIX_DONE_EXISTED);
	cr_expect_eq(done.bytes, 0);
	done = ask(outer, AIBRIX_STORE_PROBE, "k", NULL, 0);
	cr_expect_eq(done.bytes, 1000);
	done = ask(outer, AIBRIX_STORE_GET, "k", got, VALUE);
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, 1000);
	cr_expect_arr_eq(got, plain, sizeof(plain));
	done = ask(outer, AIBRIX_STORE_GET, "k", got, 999);
	cr_expect_eq(done.status, AIBRIX_E_SPACE);
	cr_expect_eq(done.bytes, 1000);
	done = ask(outer, AIBRIX_STORE_GET, "other", got, VALUE);
	cr_expect_eq(done.status, AIBRIX_E_NOT_FOUND);

	inner = store_of(&p.inner);
	done = ask(inner, AIBRIX_STORE_GET, "k", got, sizeof(got));
	cr_expect_eq(done.bytes, 1000 + AIBRIX_CRYPT_BYTES);
	cr_expect_null(memmem(got, done.bytes, "ppp", 3));

	/* Under another name it is nothing. */
	ask(inner, AIBRIX_STORE_PUT, "moved", got, done.bytes);
	done = ask(outer, AIBRIX_STORE_GET, "moved", got, VALUE);
	cr_expect_eq(done.status, AIBRIX_E_CORRUPT);
	cr_expect_eq(done.bytes, 0);
	/* Nor is what was never sealed, or is no longer than a head. */
	ask(inner, AIBRIX_STORE_PUT, "plain", plain, sizeof(plain));
	done = ask(outer, AIBRIX_STORE_GET, "plain", got, VALUE);
	cr_expect_eq(done.status, AIBRIX_E_CORRUPT);
	ask(inner, AIBRIX_STORE_PUT, "short", plain, 10);
	cr_expect_eq(ask(outer, AIBRIX_STORE_GET, "short", got, VALUE).status,
		     AIBRIX_E_CORRUPT);
	cr_expect_eq(ask(outer, AIBRIX_STORE_PROBE, "short", NULL, 0).status,
		     AIBRIX_E_CORRUPT);
	aibrix_store_free(inner);
	aibrix_store_free(outer);
	place_remove(&p);
}

Test(crypt, keys_are_changed_without_losing_values)
{
	struct place p;
	aibrix_store *store;
	uint8_t got[VALUE];

	place_make(&p);
	store = store_of(&p.outer);
	ask(store, AIBRIX_STORE_PUT, "old", value, 5);
	aibrix_store_free(store);

	/* Key 2 seals, key 1 still opens. */
	p.keys[0] = key_of(2, 2);
	p.keys[1] = key_of(1, 1);
	p.crypt.n_keys = 2;
	store = store_of(&p.outer);
	cr_expect_eq(ask(store, AIBRIX_STORE_GET, "old", got, VALUE).bytes, 5);
	ask(store, AIBRIX_STORE_PUT, "new", value, 5);
	aibrix_store_free(store);

	/* Key 1 is gone. */
	p.crypt.n_keys = 1;
	store = store_of(&p.outer);
	cr_expect_eq(ask(store, AIBRIX_STORE_GET, "new", got, VALUE).bytes, 5);
	cr_expect_arr_eq(got, "value", 5);
	cr_expect_eq(ask(store, AIBRIX_STORE_GET, "old", got, VALUE).status,
		     AIBRIX_E_CORRUPT);
	aibrix_store_free(store);
	place_remove(&p);
}

Test(crypt, two_values_never_look_the_same)
{
	struct place p;
	aibrix_store *outer, *inner;
	uint8_t first[200], second[200];

	place_make(&p);
	outer = store_of(&p.outer);
	inner = store_of(&p.inner);
	ask(outer, AIBRIX_STORE_PUT, "k", value, 10);
	ask(inner, AIBRIX_STORE_GET, "k", first, sizeof(first));
	ask(outer, AIBRIX_STORE_DELETE, "k", NULL, 0);
	ask(outer, AIBRIX_STORE_PUT, "k", value, 10);
	ask(inner, AIBRIX_STORE_GET, "k", second, sizeof(second));
	cr_expect_arr_neq(first + 16, second + 16, CRYPT_NONCE);
	cr_expect_arr_neq(first + 64, second + 64, 10);
	aibrix_store_free(inner);
	aibrix_store_free(outer);
	place_remove(&p);
}

Test(crypt, a_request_has_as_many_parts_as_any)
{
	struct place p;
	aibrix_store *store;
	uint8_t plain[VALUE], got[VALUE];
	aibrix_iov iov[AIBRIX_STORE_IOV_MAX];
	aibrix_io io = {.key = "k",
			.key_bytes = 1,
			.iov = iov,
			.n_iov = AIBRIX_STORE_IOV_MAX,
			.op = AIBRIX_STORE_GET};
	aibrix_done done;
	uint32_t n;

	place_make(&p);
	store = store_of(&p.outer);
	for (uint32_t i = 0; i < VALUE; i++)
		plain[i] = (uint8_t)(i * 7);
	cr_expect_eq(ask(store, AIBRIX_STORE_PUT, "k", plain, 4000).bytes,
		     4000);
	for (uint32_t i = 0; i < AIBRIX_STORE_IOV_MAX; i++)
		iov[i] = (aibrix_iov){got + 64 * i, 64};
	cr_assert_eq(aibrix_store_submit(store, &io, 1, 1, &n), AIBRIX_OK);
	for (n = 0; n == 0;)
		cr_assert_eq(
			aibrix_store_poll(store, &done, 1, 1, 1000000000, &n),
			AIBRIX_OK);
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, 4000);
	cr_expect_arr_eq(got, plain, 4000);
	aibrix_store_free(store);
	place_remove(&p);
}

Test(crypt, a_value_that_is_too_long_and_an_empty_one)
{
	struct place p;
	aibrix_store *store;
	uint8_t got[VALUE + 1] = {0};
	aibrix_done done;

	place_make(&p);
	store = store_of(&p.outer);
	cr_expect_eq(ask(store, AIBRIX_STORE_PUT, "l", got, VALUE + 1).status,
		     AIBRIX_E_INVAL);
	cr_expect_eq(ask(store, AIBRIX_STORE_PUT, "v", got, VALUE).status,
		     AIBRIX_OK);
	cr_expect_eq(ask(store, AIBRIX_STORE_PUT, "e", got, 0).status,
		     AIBRIX_OK);
	done = ask(store, AIBRIX_STORE_GET, "e", got, 0);
	cr_expect_eq(done.status, AIBRIX_OK);
	cr_expect_eq(done.bytes, 0);
	aibrix_store_free(store);
	place_remove(&p);
}

Test(crypt, without_buffers_a_put_waits_its_turn)
{
	struct place p;
	aibrix_store *store;
	aibrix_iov iov = {NULL, 1000};
	aibrix_io ios[4];
	aibrix_done dones[4];
	uint8_t bytes[1000] = {0};
	uint32_t taken, n;

	place_make(&p);
	p.crypt.buffer_bytes = 2 * (VALUE + AIBRIX_CRYPT_BYTES);
	store = store_of(&p.outer);
	iov.base = bytes;
	for (uint32_t i = 0; i < 4; i++)
		ios[i] = (aibrix_io){.key = &"abcd"[i],
				     .key_bytes = 1,
				     .iov = &iov,
				     .n_iov = 1,
				     .op = AIBRIX_STORE_PUT,
				     .tag = i};
	cr_assert_eq(aibrix_store_submit(store, ios, 4, 1, &taken), AIBRIX_OK);
	cr_expect_eq(taken, 2);
	cr_expect_eq(aibrix_store_submit(store, ios + 2, 2, 1, &taken),
		     AIBRIX_E_FULL);
	for (uint32_t sum = 0; sum < 2; sum += n)
		cr_assert_eq(
			aibrix_store_poll(store, dones, 4, 1, 1000000000, &n),
			AIBRIX_OK);
	cr_assert_eq(aibrix_store_submit(store, ios + 2, 2, 1, &taken),
		     AIBRIX_OK);
	cr_expect_eq(taken, 2);
	aibrix_store_free(store);
	place_remove(&p);
}

Test(crypt, options_that_protect_nothing_are_refused)
{
	struct place p;
	aibrix_store *store = NULL;

	place_make(&p);
#define REFUSED(err)                                                           \
	cr_expect_eq(aibrix_store_open(&p.outer, &store), err);                \
	cr_expect_null(store)
	p.crypt.n_keys = 0;
	REFUSED(AIBRIX_E_INVAL);
	p.crypt.n_keys = AIBRIX_CRYPT_KEYS_MAX + 1;
	REFUSED(AIBRIX_E_INVAL);
	p.crypt.n_keys = 2;
	p.keys[1].id = 1; /* two of one number */
	REFUSED(AIBRIX_E_INVAL);
	p.keys[1] = key_of(2, 0); /* a key that was never set */
	REFUSED(AIBRIX_E_INVAL);
	p.crypt.n_keys = 1;
	p.crypt.inner = NULL;
	REFUSED(AIBRIX_E_INVAL);
	p.crypt.inner = &p.inner;
	p.crypt.context_bytes = 1;
	REFUSED(AIBRIX_E_INVAL);
	p.crypt.context_bytes = 0;
	p.crypt.spare = 1;
	REFUSED(AIBRIX_E_ABI);
	p.crypt.spare = 0;
	p.outer.value_bytes = (1 << 30) + 1;
	p.outer.capacity_bytes = 1ull << 40;
	REFUSED(AIBRIX_E_INVAL);
	p.outer.value_bytes = VALUE;
	p.inner.path = "/nonexistent/dir/x";
	cr_expect_neq(aibrix_store_open(&p.outer, &store), AIBRIX_OK);
	cr_expect_null(store);
	p.outer.backend_opts = NULL;
	REFUSED(AIBRIX_E_INVAL);
#undef REFUSED
	place_remove(&p);
}
