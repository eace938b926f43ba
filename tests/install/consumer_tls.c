/* A stranger's program: what pkg-config says for aibrix-tls, and no more. */
#include <aibrix/aibrix.h>
#include <aibrix/tls.h>

int
main(void)
{
	aibrix_tls_opts opts = {.size = sizeof(opts),
				.flags = AIBRIX_TLS_NO_VERIFY};
	aibrix_tls *tls;

	if (aibrix_tls_new(&opts, &tls) || !aibrix_tls_stream(tls))
		return 1;
	aibrix_tls_free(tls);
	return 0;
}
