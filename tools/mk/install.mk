# SPDX-License-Identifier: MIT
# make install prefix=/usr DESTDIR=/tmp/image

prefix ?= /usr/local
libdir ?= $(prefix)/lib
includedir ?= $(prefix)/include
to := $(DESTDIR)

.PHONY: install
install: lib
	$(call say,INSTALL,$(to)$(prefix))
	$(Q)install -d '$(to)$(includedir)/weft' '$(to)$(libdir)/pkgconfig'
	$(Q)install -m 644 include/weft.h '$(to)$(includedir)'
	$(Q)install -m 644 include/weft/*.h '$(to)$(includedir)/weft'
	$(Q)install -m 644 $(LIB_A) '$(to)$(libdir)'
	$(Q)install -m 755 $(LIB_SO) '$(to)$(libdir)'
	$(Q)ln -sf $(notdir $(LIB_SO)) '$(to)$(libdir)/$(SONAME)'
	$(Q)ln -sf $(SONAME) '$(to)$(libdir)/$(call so,)'
	$(Q)sed -e 's,@prefix@,$(prefix),' -e 's,@libdir@,$(libdir),' -e 's,@includedir@,$(includedir),' \
	    -e 's,@version@,$(VERSION),' -e 's,@clash_param@,$(clash_param),' \
	    -e 's,@requires_private@,$(if $(HAVE_LIBURING),liburing),' \
	    -e 's, *$$,,' tools/weft.pc.in > '$(to)$(libdir)/pkgconfig/weft.pc'
