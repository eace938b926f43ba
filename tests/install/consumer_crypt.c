/* A stranger's program: what pkg-config says for aibrix-crypt, and no more. */
#include <aibrix/aibrix.h>
#include <aibrix/crypt.h>

int
main(void)
{
	aibrix_crypt_key key = {.id = 1, .bytes = {1}};
	aibrix_store_opts inner = {.size = sizeof(inner)};
	aibrix_crypt_opts crypt = {.size = sizeof(crypt),
				   .n_keys = 1,
				   .keys = &key,
				   .inner = &inner};
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_USER,
				  .user = aibrix_crypt_backend(),
				  .backend_opts = &crypt};
	aibrix_store *store;

	if (aibrix_store_open(&opts, &store))
		return 1;
	aibrix_store_free(store);
	return 0;
}
