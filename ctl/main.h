/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens to vr-ctl as a whole; called by primary.c on the main thread. */
#ifndef CTL_MAIN_H
#define CTL_MAIN_H

struct ctl;
struct region;

/* The region is mapped: adopts its tables and starts to serve. Negative when vr-ctl must end. */
int main_on_region(struct ctl *ctl, const struct region *region);

/* Leaves the event loop; the program exits with 'status', or is executed anew. */
enum { MAIN_RESTART = -1 };
void main_stop(struct ctl *ctl, int status);

#endif
