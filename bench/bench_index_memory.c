/* Memory: for each block, and after many have come and gone. */
#include "bench_index.h"

void
bytes_per_block(struct setup *s)
{
	aibrix_index_stat stat = {.size = sizeof(stat)};
	struct bench_row row = {.name = "bytes_per_block", .unit = "bytes"};
	char note[160];

	bench_check(!aibrix_index_stats(s->index, &stat), "stats");
	snprintf(note, sizeof(note),
		 "%s; %llu blocks in %llu runs, %.2f holders each", s->note,
		 (unsigned long long)stat.places, (unsigned long long)stat.runs,
		 (double)stat.held / (double)stat.places);
	row.note = note;
	bench_counted(s->b, &row, (double)stat.bytes / (double)stat.places);
}

/* Stored 100 times what is resident; the memory at each tenth. */
void
churn_growth(const struct bench *b)
{
	struct corpus_opts o = corpus_options(b, ROUTE_RANDOM);
	struct bench_row row = {.name = "churn_growth", .unit = "bytes/bytes"};
	aibrix_index_stat stat = {.size = sizeof(stat)};
	struct corpus c;
	aibrix_index *index;
	uint64_t stored = 0, before = 0, most = 0;
	char note[120];

	o.owners = 16;
	o.capacity = b->quick ? 64 : 8192;
	o.copies = 1;
	corpus_make(&c, &o);
	index = index_new(aibrix_allocator_jemalloc(), OWNERS);
	while (stored < 100 * c.resident) {
		for (uint64_t i = 0; i < c.n_events; i++) {
			event_apply(index, &c, &c.events[i]);
			if (c.events[i].kind == CORPUS_STORED)
				stored += c.events[i].n;
			if (i % 64)
				continue;
			bench_check(!aibrix_index_stats(index, &stat), "stats");
			if (stored < 10 * c.resident)
				before = stat.bytes > before ? stat.bytes
							     : before;
			most = stat.bytes > most ? stat.bytes : most;
		}
		/* The next pass is of other prompts in warm caches. */
		for (uint64_t i = 0; i < c.n_blocks; i++) {
			c.hashes[i] = mix64(c.hashes[i]);
			c.names[i] = mix64(c.names[i]);
		}
		for (uint64_t i = 0; i < c.n_gone; i++)
			c.gone[i] = mix64(c.gone[i]);
		for (uint64_t i = 0; i < c.n_events; i++)
			c.events[i].parent = mix64(c.events[i].parent);
		for (uint32_t i = 0; i < o.owners; i++)
			bench_check(!aibrix_index_apply_cleared(index, i),
				    "apply_cleared");
	}
	snprintf(note, sizeof(note),
		 "most memory up to 100 times over most up to 10 times; %llu "
		 "blocks stored",
		 (unsigned long long)stored);
	row.note = note;
	bench_counted(b, &row, (double)most / (double)before);
	aibrix_index_free(index);
	corpus_free(&c);
}
