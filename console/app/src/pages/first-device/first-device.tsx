import { Page } from '../../components/page';

export default function FirstDevicePage() {
  return <Page title="FirstDevice">…</Page>;
}
