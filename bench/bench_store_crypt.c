/*
 * What sealing costs: two stores in memory, of which one is behind libaibrix-
 * crypt.  Nothing else takes time here, so this is the whole of it; over a
 * network it hides behind the wire as long as it is the faster of the two.
 */
#include "bench_store.h"

#if HAVE_CRYPT
#include <aibrix/crypt.h>

enum { PASSES_KEPT = 2 };

static aibrix_store *
mem_store(const struct work *w, int sealed)
{
	static const aibrix_crypt_key key = {.id = 1, .bytes = {1, 2, 3}};
	const aibrix_store_opts inner = {.size = sizeof(inner)};
	const aibrix_crypt_opts crypt = {.size = sizeof(crypt),
					 .n_keys = 1,
					 .keys = &key,
					 .inner = &inner};
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .value_bytes = w->bytes,
				  .capacity_bytes =
					  PASSES_KEPT * w->n * w->bytes};
	aibrix_store *store;

	if (sealed) {
		opts.backend = AIBRIX_BACKEND_USER;
		opts.user = aibrix_crypt_backend();
		opts.backend_opts = &crypt;
	}
	bench_check(!aibrix_store_open(&opts, &store), "a store in memory");
	return store;
}

void
crypt_rows(const struct options *o)
{
	const char *note = "1 MiB, in memory";
	struct costs put[2], get[2];
	struct ours ours[2];
	struct work w;

	work_init(&w, o, BLOCK_1M);
	for (int i = 0; i < 2; i++)
		ours_init(&ours[i], mem_store(&w, i == 0), &w);
	/* The first touch of their memory, twice what a pass keeps. */
	for (uint32_t warm = 1; warm <= PASSES_KEPT; warm++) {
		work_rename(&w, warm);
		for (uint32_t i = 0; i < 2; i++)
			ours_move(&ours[i], AIBRIX_STORE_PUT, &w);
	}
	for (uint32_t round = 0; round < store_rounds(o); round++) {
		work_rename(&w, PASSES_KEPT + 1 + round);
		work_fill(&w);
		for (uint32_t i = 0; i < 2; i++) {
			const uint32_t which = (round + i) % 2;
			const struct mover m = {"ours", &ours[which],
						ours_move};
			struct cost c = work_time(&w, &m, AIBRIX_STORE_PUT);

			put[which].s[round] = c.s;
			put[which].cpu[round] = c.cpu;
			c = work_time(&w, &m, AIBRIX_STORE_GET);
			get[which].s[round] = c.s;
			get[which].cpu[round] = c.cpu;
		}
	}
	row_print(o,
		  &(struct store_row){"crypt_on_put", UNIT_RATE, "crypt off",
				      note},
		  &put[0], &put[1]);
	row_print(o,
		  &(struct store_row){"crypt_on_get", UNIT_RATE, "crypt off",
				      note},
		  &get[0], &get[1]);
	for (uint32_t i = 0; i < 2; i++)
		ours_free(&ours[i]);
	work_free(&w);
}
#else
void
crypt_rows(const struct options *o)
{
	const struct store_row row = {"crypt_on_get", UNIT_RATE, NULL,
				      "a build without libaibrix-crypt"};

	row_print(o, &row, NULL, NULL);
}
#endif
