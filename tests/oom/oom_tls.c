/*
 * Allocations fail: each of ours by the object's allocator, many of OpenSSL's
 * by the hook it has for that, which must be set before it allocates anything.
 */

#include <criterion/criterion.h>

#include "failing.h"
#include "tls_tools.h"

/* ---- OpenSSL's */

static uint64_t ssl_calls, ssl_fail_at = AIBRIX_FOREVER;

static int
ssl_fails(void)
{
	return ssl_fail_at != AIBRIX_FOREVER && ssl_calls++ == ssl_fail_at;
}

static void *
ssl_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return ssl_fails() ? NULL : malloc(n);
}

static void *
ssl_realloc(void *ptr, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return ssl_fails() ? NULL : realloc(ptr, n);
}

static void
ssl_free(void *ptr, const char *file, int line)
{
	(void)file;
	(void)line;
	free(ptr);
}

/* The test runner uses OpenSSL, too. */
__attribute__((constructor)) static void
hook_set(void)
{
	MUST(CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free));
}

static struct cert ca, good;
static SSL_CTX *ctx;

static void
setup(void)
{
	cert_make(&ca, "authority", NULL, NULL, 0);
	cert_make(&good, "x", "DNS:db.example", &ca, 0);
	ctx = server_context(&good);
}

static void
teardown(void)
{
	SSL_CTX_free(ctx);
	cert_free(&ca);
	cert_free(&good);
}

TestSuite(oom_tls, .init = setup, .fini = teardown);

/* From birth to death; the first status that is not AIBRIX_OK. */
static int
tls_use(const aibrix_allocator *a, uint64_t ssl_from)
{
	const aibrix_tls_opts opts = {.size = sizeof(opts),
				      .ca_pem = ca.pem,
				      .ca_pem_bytes = ca.pem_bytes,
				      .cert_pem = good.pem,
				      .cert_pem_bytes = good.pem_bytes,
				      .key_pem = good.key_pem,
				      .key_pem_bytes = good.key_pem_bytes,
				      .alloc = a};
	aibrix_tls *tls = NULL;
	void *stream = NULL;
	int fd[2], err;

	pair_open(fd);
	ssl_calls = 0;
	ssl_fail_at = ssl_from;
	err = aibrix_tls_new(&opts, &tls);
	cr_assert_eq(err == AIBRIX_OK, tls != NULL);
	if (!err) {
		const aibrix_stream *t = aibrix_tls_stream(tls);
		uint32_t want;

		err = t->start(t->ctx, fd[0], "db.example", &stream);
		cr_assert_eq(err == AIBRIX_OK, stream != NULL);
		if (!err) {
			err = t->handshake(stream, &want);
			t->stop(stream);
		}
	}
	ssl_fail_at = AIBRIX_FOREVER;
	aibrix_tls_free(tls);
	close(fd[0]);
	close(fd[1]);
	return err;
}

Test(oom_tls, each_failed_allocation_of_ours_is_survived)
{
	uint64_t i;

	for (i = 0; i < 20; i++) {
		struct failing f = {.fail_at = i};
		aibrix_allocator a = failing_allocator(&f);
		int err = tls_use(&a, AIBRIX_FOREVER);

		cr_assert_eq(f.live, 0u);
		cr_assert_eq(f.live_bytes, 0u);
		if (err == AIBRIX_E_AGAIN) /* nobody answers */
			break;
		cr_assert_eq(err, AIBRIX_E_NOMEM);
	}
	cr_expect_eq(i, 3u);
}

/* Coprime to what it may do in rows; all of them take a minute. */
enum { STRIDE = 7 };

/* It tells out of memory in most places, and some other failure elsewhere. */
Test(oom_tls, failed_allocations_of_openssl_are_survived)
{
	uint64_t i, told = 0;
	int err = AIBRIX_OK;

	for (i = 0; i < 20000; i += STRIDE) {
		struct failing f = {.fail_at = AIBRIX_FOREVER};
		aibrix_allocator a = failing_allocator(&f);

		err = tls_use(&a, i);
		cr_assert_eq(f.live, 0u);
		told += err == AIBRIX_E_NOMEM;
		if (err == AIBRIX_E_AGAIN && ssl_calls <= i)
			break;
		cr_assert(err == AIBRIX_E_NOMEM || err == AIBRIX_E_PARSE ||
				  err == AIBRIX_E_IO || err == AIBRIX_E_AGAIN,
			  "%d", err);
	}
	cr_expect_eq(err, AIBRIX_E_AGAIN);
	cr_expect_gt(told, 20u);
}
