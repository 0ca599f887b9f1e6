# SPDX-License-Identifier: BSD-3-Clause
#
# The DPDK drivers, buses and mempool ops that are linked into every process,
# one per line. There is one list on purpose: a mempool's ops and a port's
# driver are found in another process by their place in tables filled in link
# order, so processes linked with different lists would call the wrong code.
#
# To add a driver append its name (the X of librte_X.a) and, if the linker then
# misses symbols, the driver library or shared library that has them. Order
# does not matter. `make` relinks everything after a change here; running
# processes of an older build must not be mixed with newer ones.

# Buses.
DPDK_DRIVERS += bus_auxiliary	# mlx5 sub-functions
DPDK_DRIVERS += bus_pci
DPDK_DRIVERS += bus_vdev
DPDK_DRIVERS += bus_vmbus	# Hyper-V and Azure

# Mempool ops. Ours (common/pool.c) replace them for every pool; these stay
# linked because libraries name them, and for the comparison in benchmarks.
DPDK_DRIVERS += mempool_ring
DPDK_DRIVERS += mempool_stack

# Code shared by several NIC drivers.
DPDK_DRIVERS += common_iavf	# iavf, ice
DPDK_DRIVERS += common_idpf
DPDK_DRIVERS += common_mlx5
DPDK_DRIVERS += common_sfc_efx

# Software ports.
DPDK_DRIVERS += net_af_packet
DPDK_DRIVERS += net_af_xdp
DPDK_DRIVERS += net_bond
DPDK_DRIVERS += net_failsafe
DPDK_DRIVERS += net_memif
DPDK_DRIVERS += net_null
DPDK_DRIVERS += net_pcap
DPDK_DRIVERS += net_ring
DPDK_DRIVERS += net_tap		# optional: our own taps do not use it
DPDK_DRIVERS += net_virtio	# PCI and virtio-user

# NICs.
DPDK_DRIVERS += net_ark		# Atomic Rules Arkville
DPDK_DRIVERS += net_atlantic	# Aquantia
DPDK_DRIVERS += net_avp		# Wind River
DPDK_DRIVERS += net_axgbe	# AMD
DPDK_DRIVERS += net_bnx2x	# QLogic
DPDK_DRIVERS += net_bnxt	# Broadcom
DPDK_DRIVERS += net_cxgbe	# Chelsio
DPDK_DRIVERS += net_e1000	# Intel 1G, with igb and em
DPDK_DRIVERS += net_ena		# Amazon
DPDK_DRIVERS += net_enic	# Cisco
DPDK_DRIVERS += net_fm10k	# Intel
DPDK_DRIVERS += net_gve		# Google
DPDK_DRIVERS += net_hinic	# Huawei
DPDK_DRIVERS += net_hns3	# HiSilicon
DPDK_DRIVERS += net_i40e	# Intel 700
DPDK_DRIVERS += net_iavf	# Intel virtual functions
DPDK_DRIVERS += net_ice		# Intel 800
DPDK_DRIVERS += net_idpf	# Intel IPU
DPDK_DRIVERS += net_igc		# Intel 2.5G
DPDK_DRIVERS += net_ionic	# AMD Pensando
DPDK_DRIVERS += net_ixgbe	# Intel 10G
DPDK_DRIVERS += net_liquidio	# Marvell
DPDK_DRIVERS += net_mlx4	# NVIDIA ConnectX-3
DPDK_DRIVERS += net_mlx5	# NVIDIA ConnectX-4 and later
DPDK_DRIVERS += net_netvsc	# Hyper-V
DPDK_DRIVERS += net_nfp		# Netronome, Corigine
DPDK_DRIVERS += net_ngbe	# Wangxun 1G
DPDK_DRIVERS += net_octeon_ep	# Marvell, host side
DPDK_DRIVERS += net_qede	# QLogic
DPDK_DRIVERS += net_sfc		# AMD Solarflare
DPDK_DRIVERS += net_txgbe	# Wangxun 10G
DPDK_DRIVERS += net_vdev_netvsc	# Hyper-V, the older way
DPDK_DRIVERS += net_vmxnet3	# VMware

# Left out:
#   net_cnxk net_dpaa net_dpaa2 net_enetc net_enetfec net_octeontx net_pfe
#   net_thunderx: on-chip devices of ARM machines, with buses and mempool ops
#     of their own that probe at every start;
#   net_vhost: guests belong to the vhost agent, which uses librte_vhost itself;
#   net_softnic, net_ipn3ke: pull in the packet framework and raw devices;
#   net_mana and others newer than DPDK 22.11: not in the distribution.

# Libraries, outside --whole-archive: only what something refers to is linked.
DPDK_LIBS := vhost stack security sched reorder dmadev ip_frag gso gro cryptodev
DPDK_LIBS += timer hash metrics cmdline pci ethdev meter net mbuf mempool rcu
DPDK_LIBS += ring telemetry kvargs eal

# Shared libraries of the distribution that the above need.
DPDK_SHARED := -lnuma -lbsd -lmlx5 -lmlx4 -libverbs -lxdp -lbpf -lelf -lz -lpcap
DPDK_SHARED += -latomic -lm -ldl -lpthread

# Symbols whose callers are sent to ours instead: --wrap=X makes every reference
# to X from another object file than X's own go to __wrap_X.

# common/private_heap.c
DPDK_WRAPS += rte_malloc rte_malloc_socket
DPDK_WRAPS += rte_zmalloc rte_zmalloc_socket
DPDK_WRAPS += rte_calloc rte_calloc_socket
DPDK_WRAPS += rte_realloc rte_realloc_socket
DPDK_WRAPS += rte_free rte_malloc_validate rte_malloc_virt2iova

# common/pool_default.c
DPDK_WRAPS += rte_mempool_create rte_mempool_create_empty
DPDK_WRAPS += rte_mempool_set_ops_byname

# common/fast_start.c
DPDK_WRAPS += eal_cpu_detected eal_cpu_socket_id get_tsc_freq

DPDK_LDLIBS = -L$(DPDK_LIBDIR) \
	-Wl,--whole-archive $(DPDK_DRIVERS:%=-l:librte_%.a) -Wl,--no-whole-archive \
	-Wl,--start-group $(DPDK_LIBS:%=-l:librte_%.a) -Wl,--end-group \
	-Wl,--as-needed $(DPDK_SHARED)
DPDK_LDFLAGS = $(DPDK_WRAPS:%=-Wl,--wrap=%)
