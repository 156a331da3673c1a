/* SPDX-License-Identifier: MIT */
/*
 * late_stubs.S - functions of libraries that are loaded when first called
 *
 * Each is a jump through a slot.  At first the slot leads to late_bind, which has
 * late_resolve() put the function's own address there, and goes on to it with the
 * arguments as they were: integers and pointers, of which these functions take no
 * others.  As the names are defined here, the linker has no need of the libraries
 * (--as-needed).  Hidden: a library that is loaded finds its own, not these.
 */
	.macro	library label, soname
	.section .rodata
.Llib_\label:
	.asciz	"\soname"
	.endm

	.macro	late label, name
	.section .rodata
.Lname_\name:
	.asciz	"\name"
	.data
	.balign	8
.Lcall_\name:				/* struct late_call */
	.quad	.Lfirst_\name
	.quad	.Llib_\label
	.quad	.Lname_\name
	.text
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	jmp	*.Lcall_\name(%rip)
.Lfirst_\name:
	lea	.Lcall_\name(%rip), %r11
	jmp	late_bind
	.size	\name, . - \name
	.endm

	.text
	.type	late_bind, @function
late_bind:
	.cfi_startproc
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	push	%rax			/* of variadic functions */
	push	%rdi
	push	%rsi
	push	%rdx
	push	%rcx
	push	%r8
	push	%r9
	push	%r11			/* the eighth: the stack is aligned */
	mov	%r11, %rdi
	call	late_resolve
	pop	%r11
	pop	%r9
	pop	%r8
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
	pop	%rax
	pop	%rbp
	.cfi_def_cfa %rsp, 8
	jmp	*(%r11)
	.cfi_endproc
	.size	late_bind, . - late_bind

	library gnutls, "libgnutls.so.30"
	late	gnutls, gnutls_alert_get
	late	gnutls, gnutls_alert_get_name
	late	gnutls, gnutls_alert_send
	late	gnutls, gnutls_alert_send_appropriate
	late	gnutls, gnutls_auth_get_type
	late	gnutls, gnutls_bye
	late	gnutls, gnutls_credentials_set
	late	gnutls, gnutls_deinit
	late	gnutls, gnutls_error_is_fatal
	late	gnutls, gnutls_global_init
	late	gnutls, gnutls_handshake
	late	gnutls, gnutls_init
	late	gnutls, gnutls_kx_get
	late	gnutls, gnutls_priority_set_direct
	late	gnutls, gnutls_protocol_get_version
	late	gnutls, gnutls_psk_allocate_client_credentials
	late	gnutls, gnutls_psk_allocate_server_credentials
	late	gnutls, gnutls_psk_free_client_credentials
	late	gnutls, gnutls_psk_free_server_credentials
	late	gnutls, gnutls_psk_set_client_credentials
	late	gnutls, gnutls_psk_set_server_credentials_function2
	late	gnutls, gnutls_record_recv
	late	gnutls, gnutls_record_send
	late	gnutls, gnutls_rnd
	late	gnutls, gnutls_session_get_ptr
	late	gnutls, gnutls_session_is_resumed
	late	gnutls, gnutls_session_set_ptr
	late	gnutls, gnutls_strerror
	late	gnutls, gnutls_transport_set_errno
	late	gnutls, gnutls_transport_set_ptr
	late	gnutls, gnutls_transport_set_pull_function
	late	gnutls, gnutls_transport_set_pull_timeout_function
	late	gnutls, gnutls_transport_set_push_function

	library ibverbs, "libibverbs.so.1"
	late	ibverbs, ibv_ack_cq_events
	late	ibverbs, ibv_alloc_pd
	late	ibverbs, ibv_close_device
	late	ibverbs, ibv_create_ah
	late	ibverbs, ibv_create_comp_channel
	late	ibverbs, ibv_create_cq
	late	ibverbs, ibv_create_qp
	late	ibverbs, ibv_dealloc_pd
	late	ibverbs, ibv_dereg_mr
	late	ibverbs, ibv_destroy_ah
	late	ibverbs, ibv_destroy_comp_channel
	late	ibverbs, ibv_destroy_cq
	late	ibverbs, ibv_destroy_qp
	late	ibverbs, ibv_free_device_list
	late	ibverbs, ibv_get_cq_event
	late	ibverbs, ibv_get_device_list
	late	ibverbs, ibv_get_device_name
	late	ibverbs, ibv_modify_qp
	late	ibverbs, ibv_open_device
	late	ibverbs, ibv_query_device
	late	ibverbs, ibv_query_gid
	late	ibverbs, ibv_query_port
	late	ibverbs, ibv_reg_mr

	library munge, "libmunge.so.2"
	late	munge, munge_ctx_create
	late	munge, munge_ctx_destroy
	late	munge, munge_ctx_get
	late	munge, munge_ctx_set
	late	munge, munge_ctx_strerror
	late	munge, munge_decode
	late	munge, munge_encode

	library rdmacm, "librdmacm.so.1"
	late	rdmacm, rdma_ack_cm_event
	late	rdmacm, rdma_connect
	late	rdmacm, rdma_create_event_channel
	late	rdmacm, rdma_create_id
	late	rdmacm, rdma_create_qp
	late	rdmacm, rdma_destroy_event_channel
	late	rdmacm, rdma_destroy_id
	late	rdmacm, rdma_destroy_qp
	late	rdmacm, rdma_disconnect
	late	rdmacm, rdma_get_cm_event
	late	rdmacm, rdma_resolve_addr
	late	rdmacm, rdma_resolve_route

	/* A variable of libgnutls, which has this value there. */
	.data
	.balign	8
	.globl	gnutls_malloc
	.hidden	gnutls_malloc
	.type	gnutls_malloc, @object
	.size	gnutls_malloc, 8
gnutls_malloc:
	.quad	malloc

	.section .note.GNU-stack, "", @progbits
