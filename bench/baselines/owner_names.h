/* One table of names per owner: name -> (run, offset). */
#ifndef BASELINES_OWNER_NAMES_H
#define BASELINES_OWNER_NAMES_H

#include <stdint.h>

#include <aibrix/base.h>

struct owner_names;

struct owner_place {
	uint32_t run; /* 0: none */
	uint32_t off;
};

/* NULL: no memory. */
struct owner_names *owner_names_new(uint32_t owners,
				    const aibrix_allocator *alloc);
void owner_names_free(struct owner_names *all);

/* Room for so many more names of owner. */
int owner_names_reserve(struct owner_names *all, uint32_t owner, uint32_t more);

/* The names of places in a row, from one on; there is room. */
void owner_names_enter(struct owner_names *all, uint32_t owner,
		       const uint64_t *names, uint32_t n,
		       struct owner_place from);

struct owner_place owner_names_find(const struct owner_names *all,
				    uint32_t owner, uint64_t name);

/* The places of n names, which mean nothing afterwards. */
void owner_names_take(struct owner_names *all, uint32_t owner,
		      const uint64_t *names, uint32_t n,
		      struct owner_place *places);

/* Bytes that were taken for tables and that no table has. */
uint64_t owner_names_idle(const struct owner_names *all);

/* All names of owner; the memory goes too. */
void owner_names_clear(struct owner_names *all, uint32_t owner);

#endif
