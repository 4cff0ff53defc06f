import { Page } from '../../components/page';

export default function DevicesPage() {
  return <Page title="Devices">…</Page>;
}
