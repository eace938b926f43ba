/* A stranger's program: what pkg-config says for aibrix-rocksdb alone. */
#include <aibrix/aibrix.h>
#include <aibrix/rocksdb.h>

int
main(void)
{
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_USER,
				  .user = aibrix_rocksdb_backend(),
				  .path = "/dev/null/nothing"};
	aibrix_store *store = NULL;

	/* The library is there, and the directory is not. */
	return aibrix_store_open(&opts, &store) != AIBRIX_E_DENIED || store;
}
