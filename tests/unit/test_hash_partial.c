#include <string.h>

#include <criterion/criterion.h>

#include <aibrix/hash.h>

enum { BLOCK = 16, TOKENS = 64 };

/* 1, 2, 3, ... */
static uint32_t count[TOKENS];

static aibrix_hash *
scheme(uint32_t algorithm)
{
	aibrix_hash_opts opts = {.size = sizeof(opts),
				 .algorithm = algorithm,
				 .block_tokens = BLOCK};
	aibrix_hash *hash = NULL;

	cr_assert_eq(aibrix_hash_new(&opts, &hash), AIBRIX_OK);
	for (uint32_t i = 0; i < TOKENS; i++)
		count[i] = i + 1;
	return hash;
}

static aibrix_prompt
prompt(const uint32_t *tokens, uint64_t n)
{
	return (aibrix_prompt){
		.size = sizeof(aibrix_prompt), .tokens = tokens, .n_tokens = n};
}

/* The key of the last piece of a prompt. */
static aibrix_key
partial(const aibrix_hash *hash, const aibrix_prompt *p)
{
	aibrix_key keys[TOKENS / BLOCK], key = {{0}};
	uint64_t n;

	cr_assert_eq(
		aibrix_hash_blocks(hash, p, 0, NULL, keys, TOKENS / BLOCK, &n),
		AIBRIX_OK);
	cr_assert_eq(
		aibrix_hash_partial(hash, p, n ? &keys[n - 1] : NULL, &key),
		AIBRIX_OK);
	return key;
}

static void
expect_key(const aibrix_key *key, const char *want)
{
	char text[AIBRIX_KEY_TEXT];

	aibrix_key_format(key, text);
	cr_expect_str_eq(text, want);
}

/* Made with Python's hashlib from the page of the module. */
Test(hash_partial, keys_are_those_of_the_page)
{
	static const uint32_t zeros[2];
	const aibrix_prompt_item image = {"img", 3, 0, 14, 5};
	aibrix_hash *hash = scheme(AIBRIX_KEY_SHA256);
	aibrix_prompt p = prompt(count, 40);
	aibrix_key key = partial(hash, &p);

	expect_key(&key, "dab6f45a1834d39ea566f5adeb362940");
	p = prompt(count, 5);
	key = partial(hash, &p);
	expect_key(&key, "7b3c6f4ed3d3a9afe3621fe9b44bce8e");
	p = prompt(zeros, 1);
	key = partial(hash, &p);
	expect_key(&key, "89347b6ca7d6fd6bac2c32a37f9c9717");
	p = prompt(zeros, 2);
	key = partial(hash, &p);
	expect_key(&key, "fc4c09972798acb05e6f20d0d35c2221");
	p = prompt(count, 19);
	p.items = &image;
	p.n_items = 1;
	key = partial(hash, &p);
	expect_key(&key, "f4f012b81d6e257b2a33583f8010f2e1");
	aibrix_hash_free(hash);
}

/* In AIBrix these are one key: what is missing is padded with token 0. */
Test(hash_partial, zeros_at_the_end_of_a_prompt_are_no_padding)
{
	static const uint32_t algorithms[] = {AIBRIX_KEY_SHA256,
					      AIBRIX_KEY_XXH3};
	static const uint32_t zeros[BLOCK] = {7};

	for (uint32_t a = 0; a < 2; a++) {
		aibrix_hash *hash = scheme(algorithms[a]);
		aibrix_prompt whole = prompt(zeros, BLOCK);
		aibrix_key keys[BLOCK];
		uint64_t n;

		for (uint32_t t = 1; t < BLOCK; t++) {
			aibrix_prompt p = prompt(zeros, t);

			keys[t - 1] = partial(hash, &p);
		}
		cr_assert_eq(aibrix_hash_blocks(hash, &whole, 0, NULL,
						&keys[BLOCK - 1], 1, &n),
			     AIBRIX_OK);
		for (uint32_t i = 0; i < BLOCK; i++)
			for (uint32_t k = 0; k < i; k++)
				cr_expect_neq(memcmp(&keys[i], &keys[k],
						     sizeof(*keys)),
					      0, "%u and %u", i + 1, k + 1);
		aibrix_hash_free(hash);
	}
}

Test(hash_partial, what_stands_before_and_the_identity_enter)
{
	aibrix_hash *hash = scheme(AIBRIX_KEY_SHA256);
	aibrix_prompt p = prompt(count, 20), q = prompt(count + 16, 4);
	aibrix_key a = partial(hash, &p), b = partial(hash, &q), c;

	cr_expect_neq(memcmp(&a, &b, sizeof(a)), 0, "the same tokens alone");
	p.salt = "tenant";
	c = partial(hash, &p);
	cr_expect_neq(memcmp(&a, &c, sizeof(a)), 0, "another salt");
	p.salt = NULL;
	p.lora = "tenant";
	b = partial(hash, &p);
	cr_expect_neq(memcmp(&b, &c, sizeof(b)), 0, "a LoRA of that name");
	aibrix_hash_free(hash);
}

Test(hash_partial, wrong_calls_leave_the_key_alone)
{
	static const aibrix_key zero;
	aibrix_hash *hash = scheme(AIBRIX_KEY_SHA256);
	aibrix_hash *city = scheme(AIBRIX_KEY_CITY128);
	aibrix_prompt p = prompt(count, 32);
	aibrix_key key = {{0}};

	cr_expect_eq(aibrix_hash_partial(hash, &p, &zero, &key),
		     AIBRIX_E_NOT_FOUND, "it ends with a whole block");
	p.n_tokens = 0;
	cr_expect_eq(aibrix_hash_partial(hash, &p, NULL, &key),
		     AIBRIX_E_NOT_FOUND);
	p.n_tokens = 33;
	cr_expect_eq(aibrix_hash_partial(hash, &p, NULL, &key), AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_hash_partial(city, &p, &zero, &key),
		     AIBRIX_E_UNSUPPORTED);
	cr_expect_eq(aibrix_hash_partial(NULL, &p, &zero, &key),
		     AIBRIX_E_INVAL);
	cr_expect_eq(aibrix_hash_partial(hash, NULL, &zero, &key),
		     AIBRIX_E_INVAL);
	cr_expect_eq(memcmp(&key, &zero, sizeof(key)), 0);
	aibrix_hash_free(hash);
	aibrix_hash_free(city);
}
