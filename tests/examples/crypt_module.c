/* For store_conform: sealed values in a store in memory, or at the path that
 * store_conform gives. */

#include <aibrix/crypt.h>

const aibrix_backend *crypt_over_mem(void);
const aibrix_backend *crypt_over_file(void);

static int
open_over(const aibrix_backend_conf *conf, uint32_t backend, void **out)
{
	static const aibrix_crypt_key key = {.id = 1, .bytes = {1, 2, 3}};
	const aibrix_store_opts inner = {.size = sizeof(inner),
					 .backend = backend};
	const aibrix_crypt_opts crypt = {.size = sizeof(crypt),
					 .n_keys = 1,
					 .keys = &key,
					 .inner = &inner,
					 .context = "conform",
					 .context_bytes = 7};
	aibrix_backend_conf own = *conf;

	own.opts = &crypt;
	return aibrix_crypt_backend()->open(&own, out);
}

static int
open_mem(const aibrix_backend_conf *conf, void **out)
{
	return open_over(conf, AIBRIX_BACKEND_MEM, out);
}

static int
open_file(const aibrix_backend_conf *conf, void **out)
{
	return open_over(conf, AIBRIX_BACKEND_FILE, out);
}

static const aibrix_backend *
table_of(aibrix_backend *table,
	 int (*open)(const aibrix_backend_conf *conf, void **out))
{
	*table = *aibrix_crypt_backend();
	table->open = open;
	return table;
}

const aibrix_backend *
crypt_over_mem(void)
{
	static aibrix_backend table;

	return table_of(&table, open_mem);
}

const aibrix_backend *
crypt_over_file(void)
{
	static aibrix_backend table;

	return table_of(&table, open_file);
}
