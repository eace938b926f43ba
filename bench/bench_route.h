/* Rows of bench_route, by the module they are of. */
#ifndef BENCH_ROUTE_H
#define BENCH_ROUTE_H

struct bench;

void bench_route_pd(const struct bench *b);
void bench_route_pick(const struct bench *b);
void bench_route_rewrite(const struct bench *b);

#endif
