/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of the control API in C: says whether the router is well, adds a nexthop and lists what
 * there is. After `make install`:
 *
 *	cc vrouter.c $(pkg-config --cflags --libs vrouter) -o example
 *	./example [SOCKET]
 */
#include <inttypes.h>
#include <stdio.h>

#include <vrouter.h>

static int
print_nexthop(void *arg, const Vrouter__Object *object)
{
	(void)arg;
	printf("nexthop %" PRIu32 " in VRF %" PRIu32 "\n", object->nexthop->id,
	       object->nexthop->vrf);
	return 0; /* go on */
}

static int
is_well(struct vrouter *router)
{
	Vrouter__Object object = VROUTER__OBJECT__INIT;
	Vrouter__Status empty = VROUTER__STATUS__INIT;
	Vrouter__Response *answer;
	int rc;

	object.kind_case = VROUTER__OBJECT__KIND_STATUS;
	object.status = &empty;
	rc = vrouter_call(router, VROUTER__OP__GET, &object, &answer);
	if (rc == 0)
		puts(answer->object->status->healthy ? "healthy" : "not healthy");
	vrouter_response_free(answer);
	return rc;
}

int
main(int argc, char **argv)
{
	struct vrouter *router = vrouter_open(argc > 1 ? argv[1] : NULL, 5000);
	Vrouter__Nexthop nexthop = VROUTER__NEXTHOP__INIT;
	Vrouter__Object object = VROUTER__OBJECT__INIT;
	int rc;

	if (router == NULL)
		return 1;
	rc = is_well(router);

	/* An id may be 0, so that it was given is said, too. */
	nexthop.has_id_case = VROUTER__NEXTHOP__HAS_ID_ID;
	nexthop.id = 1;
	nexthop.type = VROUTER__NEXTHOP__TYPE__DISCARD;
	object.kind_case = VROUTER__OBJECT__KIND_NEXTHOP;
	object.nexthop = &nexthop;
	if (rc == 0)
		rc = vrouter_call(router, VROUTER__OP__ADD, &object, NULL);
	if (rc == 0)
		rc = vrouter_list(router, &object, print_nexthop, NULL);
	if (rc == 0)
		rc = vrouter_call(router, VROUTER__OP__DEL, &object, NULL);
	if (rc < 0)
		fprintf(stderr, "%s\n", vrouter_error(router));
	vrouter_close(router);
	return rc < 0;
}
