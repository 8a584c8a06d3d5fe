# Drives a domain by Sys::Virt, the library under libvirt's own compatibility suite.
# Arguments: the URI, a file with the domain's XML. Prints one line a fact.
use strict;
use warnings;
use Sys::Virt;

my ($uri, $file) = @ARGV;
open(my $handle, '<', $file) or die $!;
my $xml = do { local $/; <$handle> };
my $conn = Sys::Virt->new(uri => $uri);
print "type ", $conn->get_type(), "\n";
print "version ", $conn->get_library_version(), "\n";
my $dom = $conn->define_domain($xml);
print "defined ", join(",", map { $_->get_name } $conn->list_defined_domains()), "\n";
$dom->create();
print "running ", join(",", map { $_->get_name } $conn->list_domains()), "\n";
print "state ", $dom->get_info()->{state}, "\n";
print "memory ", $dom->get_info()->{maxMem}, "\n";
my ($state, $reason) = $dom->get_state();
print "reason $reason\n";
my $again = eval { $dom->create(); 1 };
print "again ", $@->code, " ", $@->domain, "\n";
$dom->suspend();
print "paused ", $dom->get_info()->{state}, "\n";
$dom->resume();
$dom->destroy();
$dom->undefine();
my $gone = eval { $conn->get_domain_by_name("shop"); 1 };
print "gone ", $@->code, "\n";
my @networks = $conn->list_all_networks();
print "networks ", scalar(@networks), "\n";
